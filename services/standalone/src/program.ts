import { isChainName, readChain } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { chain, type Group, type Place, placesOf } from '@blockhub/mesh';
import type { ChainRecord } from '@blockhub/registry';
import { defaults, type Values } from '@blockhub/settings';
import type { Store } from '@blockhub/store';
import { bareHost } from '@blockhub/telemetry';
import { findChain, noChain } from '@blockhub/walker';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { type Program, systemRandom } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { openDataFolder } from './data-folder.ts';
import { type Settings, settings, settingsFor, valuesOf } from './settings.ts';

/** Less than deploy's default: files cost less than S3. If writing is slow, deploy waits longer. */
const PACK_TTL_MS = 50;

/** The program that can run these groups of places in one process, on what lies in one folder. */
export function standaloneOf(all: readonly Group[]): Program<Settings> {
  return {
    name: 'standalone',
    summary: 'Everything in one process: capture, queues, store and chains, on an embedded broker and a folder.',
    settings: settingsFor(all),
    async start(values, { open, workers, releases, out }) {
      const places = placesFor(all, values);
      // Before anything listens: a second process must fail because of the folder, not a port.
      const data = openDataFolder(values.data);
      releases.add('data folder', () => data.release());
      const { probePort, ...parts } = await open({
        broker: data.brokerUrl,
        store: data.storeUrl,
        registry: data.registryUrl,
        reliesOnRegistry: places.some(({ worker, settings }) => worker.reliesOnRegistry?.(defaults(worker.settings, settings))),
      });
      await parts.store.assertSafe();
      await parts.registry.putChain(await openDefaultChain(parts.store, values.defaultChain));
      const urls = new Map<string, string>();
      // A consumer runs before its publishers do.
      for (const place of places.toReversed()) {
        workers.push(await place.start({ ...parts, instance: place.name }));
        if (place.listens) urls.set(place.name, parts.health.report().checks.listening?.detail ?? '');
      }
      out(welcome(values, data.path, probePort, urls));
    },
  };
}

/** The places of `chain` and of the groups in `with`, with the settings of this process. */
function placesFor(all: readonly Group[], values: Values<Settings>): Place[] {
  const further = all.filter((group) => group !== chain && values.with.includes(group.name));
  const capture = Object.fromEntries(Object.keys(webToMsg.settings).map((name) => [name, (values as Record<string, unknown>)[name]]));
  return placesOf([chain, ...further], {
    of: {
      [webToMsg.name]: capture,
      grouper: { ttl: values.groupTtl },
      'deploy-blobs': { packTtl: PACK_TTL_MS },
      ...Object.fromEntries(further.flatMap(({ places }) => places.map((place) => [place.name, valuesOf(place, values)]))),
    },
  });
}

/** The chain of this id; or of this name, created when no chain has it. */
async function openDefaultChain(store: Store, nameOrId: string): Promise<ChainRecord> {
  const { id, wrong } = readChain(nameOrId);
  if (id !== undefined) {
    const found = await findChain(store, id);
    if (found) return found;
    throw new BlockhubError('CHAIN_NOT_FOUND', `--default-chain: no chain has the id ${id}.`, { details: { chain: id } });
  }
  if (wrong !== undefined && !isChainName(nameOrId)) throw noChain(nameOrId);
  const { created: _created, ...chain } = await createChain(store, { name: nameOrId, now: systemClock.now(), random: systemRandom });
  return chain;
}

function welcome(
  { data, probeHost, defaultChain }: Values<Settings>,
  path: string,
  probePort: number,
  urls: ReadonlyMap<string, string>,
): string {
  const host = bareHost(probeHost);
  const flag = data === settings.data?.default ? '' : ` --data ${data}`;
  const url = urls.get(webToMsg.name) ?? '';
  const further = [...urls].filter(([name]) => name !== webToMsg.name).map(([name, at]) => `  ${name.padEnd(7)}  ${at}\n`);
  return `Blockhub keeps its data in ${path}

  Capture  ${url}
${further.join('')}  Probes   http://${host.includes(':') ? `[${host}]` : host}:${probePort}/readyz and /metrics

  Append   curl -d 'hello' ${url}/append/chain/${defaultChain}
  Walk     npx -y pnpm blockhub walk ${defaultChain}${flag}

Ctrl-C stops it.
`;
}
