import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashOf } from '@blockhub/chain';
import { type Random, seededRandom } from '@blockhub/faults';
import type { SampleChain, Sent } from '../simulation/senders.ts';

type Answer = Sent['answer'];

const PATIENCE_MS = 6_000;
/** The connection broke, or the sender gave up: nobody knows. */
const UNKNOWN: Answer = { status: 0, code: 'reset' };

export interface SendersOptions {
  readonly seed: number;
  readonly chains: readonly SampleChain[];
  /** Base URLs of all replicas of capture. */
  readonly doors: readonly string[];
  /** At once. */
  readonly count: number;
  /** Mean pause of each between two requests. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Senders of webhooks: each posts one request after the other to any replica, none of them twice, whatever the answer. */
export async function sendAll(options: SendersOptions): Promise<Sent[]> {
  const sent: Sent[] = [];
  const agent = new Agent({ keepAlive: true });
  await Promise.all(Array.from({ length: options.count }, (_, n) => sendOn(`sender ${n}`, options, agent, sent)));
  agent.destroy();
  return sent;
}

async function sendOn(name: string, { seed, chains, doors, pauseMs, signal }: SendersOptions, agent: Agent, sent: Sent[]): Promise<void> {
  const random = seededRandom(hashSeed(`${seed} ${name}`));
  for (let n = 0; !signal.aborted; n++) {
    // Some chains are busy, most are not, and a few requests go astray.
    const chain = random() < 0.01 ? undefined : (chains[Math.floor(random() ** 2 * chains.length)] as SampleChain);
    const nameOrId = (random() < 0.5 ? chain?.id : chain?.name) ?? 'nobody';
    const body = Buffer.from(drawBody(`${name} ${n}`, random));
    const door = doors[Math.floor(random() * doors.length)] as string;
    const answer = await post(`${door}/append/chain/${nameOrId}`, body, agent);
    sent.push({ chain, hash: hashOf(chain?.crypt ?? 'sha256', body), answer });
    await sleep(random() * 2 * pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Mostly small and of its own; some are over the limit of a message, some are sent again and again. */
function drawBody(own: string, random: Random): string {
  const text = random() < 0.1 ? `again ${Math.floor(random() * 5)}` : own;
  const size = random() < 0.1 ? 5_000 + random() * 40_000 : random() * 800;
  return text === own ? text.padEnd(size, '.') : text;
}

function post(url: string, body: Buffer, agent: Agent): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'text/plain', 'content-length': body.length },
        signal: AbortSignal.timeout(PATIENCE_MS),
      },
      async (response) => {
        try {
          const text = Buffer.concat(await response.toArray()).toString();
          resolve(readAnswer(response.statusCode ?? 0, text));
        } catch {
          resolve(UNKNOWN);
        }
      },
    );
    sent.on('error', () => resolve(UNKNOWN));
    sent.end(body);
  });
}

function readAnswer(status: number, text: string): Answer {
  const body = JSON.parse(text) as Sent['answer']['receipt'] & { code?: string };
  return status === 201 || status === 202 ? { status, receipt: body } : { status, ...(body.code !== undefined && { code: body.code }) };
}

const hashSeed = (text: string): number => Number.parseInt(hashOf('sha256', Buffer.from(text)).slice(0, 8), 16);
