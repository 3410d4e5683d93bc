import { type Crypt, hashOf } from '@blockhub/chain';
import type { Random } from '@blockhub/faults';
import type { Answer, Front } from './front.ts';
import type { World } from './world.ts';

export interface SampleChain {
  readonly id: string;
  readonly name: string;
  readonly crypt: Crypt;
  /** Each request has a document. */
  readonly requests: boolean;
}

/** One request and its answer. */
export interface Sent {
  /** If the chain does not exist, undefined. */
  readonly chain: SampleChain | undefined;
  /** Of the body, as the chain hashes it. */
  readonly hash: string;
  readonly answer: Answer;
}

/** A sender of webhooks: it sends one request after the other, each once, whatever the answer. */
export async function sendAll(
  world: World,
  front: Front,
  name: string,
  chains: readonly SampleChain[],
  count: number,
  sent: Sent[],
): Promise<void> {
  const { clock, random } = world;
  for (let n = 0; n < count; n++) {
    // Few chains are busy, most are not, and some requests name a chain that does not exist.
    const chain = random() < 0.01 ? undefined : (chains[Math.floor(random() ** 3 * chains.length)] as SampleChain);
    const nameOrId = (random() < 0.5 ? chain?.id : chain?.name) ?? 'no-chain';
    const body = Buffer.from(drawBody(`${name} ${n}`, random));
    const answer = await front.send({
      chain: nameOrId,
      method: 'POST',
      url: `/append/chain/${nameOrId}`,
      rawHeaders: ['Content-Type', 'text/plain'],
      headers: { 'content-type': 'text/plain' },
      client: { ip: '192.0.2.1', port: 1024, tls: false },
      body,
    });
    sent.push({ chain, hash: hashOf(chain?.crypt ?? 'sha256', body), answer });
    if (random() < 0.3) await clock.sleep(random() * 300);
  }
}

/**
 * Most bodies are small and unique. Some are over the limit of a message, and some are sent again
 * and again.
 */
function drawBody(own: string, random: Random): string {
  const text = random() < 0.1 ? `again ${Math.floor(random() * 5)}` : own;
  const large = random() < 0.1;
  return text.padEnd(large ? 300 : text.length, '.');
}
