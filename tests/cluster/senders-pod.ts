import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import { type Namespace, until } from './cluster.ts';
import { nameOf } from './release.ts';
import type { Tried } from './senders.ts';

const POD = 'senders';
const END_MS = 60_000;

/**
 * A try of a request, with the time of its end, and the status of an answer that is not Blockhub's.
 */
type Timed = Sent & { readonly at: number; readonly foreignStatus?: number | undefined };

/** Starts senders beside the release. They use only the address of the Service. */
export async function startSenders(namespace: Namespace, image: string, chains: readonly SampleChain[]): Promise<void> {
  const script = readFileSync(join(import.meta.dirname, 'senders.ts'), 'utf8');
  const metadata = { name: POD };
  const env = { URL: `http://${nameOf('web-to-msg')}:8080`, CHAINS: chains.map(({ name }) => name).join(',') };
  const pod = {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: POD,
        image,
        command: ['node', '/senders/senders.ts'],
        env: Object.entries(env).map(([name, value]) => ({ name, value })),
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        volumeMounts: [{ name: 'script', mountPath: '/senders' }],
      },
    ],
    volumes: [{ name: 'script', configMap: { name: POD } }],
  };
  const objects = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'senders.ts': script } },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: pod },
  ];
  for (const object of objects) await namespace.kubectl(['create', '--filename', '-'], JSON.stringify(object));
  await until(
    END_MS,
    async () => (await read(namespace)).length > 0,
    () => 'the senders do not start',
  );
}

/** Ends the senders and gives everything that they sent. */
export async function stopSenders(namespace: Namespace, chains: readonly SampleChain[]): Promise<Timed[]> {
  await namespace.node(POD, 'process.kill(1, "SIGTERM")');
  const phase = async (): Promise<string> => (await namespace.get('pod', POD)).status.phase;
  await until(
    END_MS,
    async () => (await phase()) === 'Succeeded',
    () => 'the senders do not end',
  );
  const lines = await read(namespace);
  const { tries } = JSON.parse(lines.pop() ?? '{}');
  if (tries !== lines.length) throw new Error(`the senders tried ${tries} times, their log has ${lines.length}`);
  const byName = new Map(chains.map((chain) => [chain.name, chain]));
  return lines.map((line) => {
    const { at, chain, hash, answer } = JSON.parse(line) as Tried;
    return { at, chain: byName.get(chain), hash, answer: answer as Sent['answer'], foreignStatus: answer.foreignStatus };
  });
}

const read = async (namespace: Namespace): Promise<string[]> =>
  (await namespace.kubectl(['logs', POD]).catch(() => ({ stdout: '' }))).stdout.trimEnd().split('\n').filter(Boolean);
