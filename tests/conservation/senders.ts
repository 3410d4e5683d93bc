import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashOf } from '@blockhub/chain';
import { type Random, seededRandom } from '@blockhub/faults';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import type { Named, Try } from './names.ts';

type Answer = Sent['answer'];

const PATIENCE_MS = 10_000;
/**
 * NAMED requests name their event. TWICE of these are sent twice at once, AGAIN of these once more
 * after a receipt.
 */
const NAMED = 0.5;
const TWICE = 0.1;
const AGAIN = 0.1;
/** Mean pause before a request is sent again. */
const RETRY_MS = 500;
const MOST_TRIES = 10;
/** Number of older requests that each sender can repeat. */
const REPEATABLE = 50;
/** The connection broke, or the sender gave up: the result is not known. */
const UNKNOWN: Answer = { status: 0, code: 'reset' };

export interface SendersOptions {
  readonly seed: number;
  readonly chains: readonly SampleChain[];
  /** Base URLs of all replicas of capture. */
  readonly captureUrls: readonly string[];
  /** Number of senders. */
  readonly count: number;
  /** Mean pause of each between two requests. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Everything that was sent. */
export interface Sendings {
  /** Requests that were sent once. */
  readonly sent: Sent[];
  readonly named: Named[];
}

/**
 * Senders of webhooks: each posts one request after the other to any replica. Half of the requests
 * name their event. These are sent until there is a receipt, sometimes twice at once, and some of
 * them again after the receipt, at once or much later. All others are sent once.
 */
export async function sendAll(options: SendersOptions): Promise<Sendings> {
  const sendings: Sendings = { sent: [], named: [] };
  const agent = new Agent({ keepAlive: true });
  await Promise.all(Array.from({ length: options.count }, (_, n) => sendOn(`sender ${n}`, options, agent, sendings)));
  agent.destroy();
  return sendings;
}

async function sendOn(own: string, options: SendersOptions, agent: Agent, { sent, named }: Sendings): Promise<void> {
  const { seed, chains, captureUrls, pauseMs, signal } = options;
  const random = seededRandom(hashSeed(`${seed} ${own}`));
  const pause = (meanMs: number) => sleep(random() * 2 * meanMs, undefined, { signal }).catch(() => undefined);
  const urlTo = (chain: SampleChain | undefined): string => {
    const nameOrId = (random() < 0.5 ? chain?.id : chain?.name) ?? 'no-chain';
    return `${captureUrls[Math.floor(random() * captureUrls.length)]}/append/chain/${nameOrId}`;
  };
  const repeatable: Repeatable[] = [];
  const tryOnce = async ({ named: { name, chain, tries }, body }: Repeatable): Promise<boolean> => {
    const from = performance.now();
    const answer = await post(urlTo(chain), body, agent, { 'idempotency-key': name });
    tries.push({ from, to: performance.now(), answer });
    return answer.receipt !== undefined;
  };
  for (let n = 0; !signal.aborted; n++) {
    // Few chains are busy, most are not, and some requests name a chain that does not exist.
    const chain = random() < 0.01 ? undefined : (chains[Math.floor(random() ** 2 * chains.length)] as SampleChain);
    if (chain && random() < NAMED) {
      const name = `${own} ${n}`;
      const body = Buffer.from(name.padEnd(drawSize(random), '.'));
      const one: Repeatable = { named: { name, chain, hash: hashOf(chain.crypt, body), tries: [] }, body };
      named.push(one.named);
      await insist(() => tryOnce(one), pause, random, signal);
      repeatable[Math.floor(random() * REPEATABLE)] = one;
    } else {
      const body = Buffer.from(drawBody(`${own} ${n}`, random));
      sent.push({ chain, hash: hashOf(chain?.crypt ?? 'sha256', body), answer: await post(urlTo(chain), body, agent) });
    }
    const old = random() < AGAIN ? repeatable[Math.floor(random() * REPEATABLE)] : undefined;
    if (old) await tryOnce(old);
    await pause(pauseMs);
  }
}

/** The judge does not keep bodies, since they would fill most of the memory of a long run. */
interface Repeatable {
  readonly named: Named & { readonly tries: Try[] };
  readonly body: Buffer;
}

/**
 * Repeats a request until there is a receipt, as a sender does that requires one. Gives up after
 * MOST_TRIES.
 */
async function insist(
  tryOnce: () => Promise<boolean>,
  pause: (meanMs: number) => Promise<void>,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES && !signal.aborted; tries++) {
    const answers = await Promise.all(random() < TWICE ? [tryOnce(), tryOnce()] : [tryOnce()]);
    if (answers.includes(true) && random() >= AGAIN) return;
    await pause(RETRY_MS);
  }
}

/** Mostly of its own; some are sent again and again. */
function drawBody(own: string, random: Random): string {
  return random() < 0.1 ? `again ${Math.floor(random() * 5)}` : own.padEnd(drawSize(random), '.');
}

/** Mostly small; some are over the limit of a message. */
const drawSize = (random: Random): number => (random() < 0.1 ? 5_000 + random() * 40_000 : random() * 800);

/** Sends one request; gives the answer. */
export function post(url: string, body: Buffer, agent: Agent, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'text/plain', 'content-length': body.length, ...headers },
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
