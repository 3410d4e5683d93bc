import { randomUUID } from 'node:crypto';
import { BlockhubError } from '@blockhub/errors';
import { findReceipt, getChain } from '@blockhub/walker';
import type { Deadline } from './deadline.ts';
import type { Session } from './session.ts';

export interface CheckedMesh {
  chain: string;
  event: string;
  block: string;
  height: number;
  /** From the answer to the block. */
  ms: number;
}

interface Place {
  /** Of web-to-msg. */
  readonly url: URL;
  /** Id or name. */
  readonly chain: string;
  /** Goes with the request as x-token. */
  readonly token: string | undefined;
}

/**
 * Sends an event to a mesh and waits until its block is in the chain.
 * @throws MESH_REFUSES for an answer that is no receipt; MESH_STALLED when no block has the event in time
 */
export async function checkMesh(session: Session, { url, chain, token }: Place, deadline: Deadline): Promise<CheckedMesh> {
  const store = await session.store();
  const { id } = await deadline.until(`chain ${chain}`, () => getChain(store, chain, { scan: true }));
  const target = new URL(`append/chain/${encodeURIComponent(chain)}`, url.href.endsWith('/') ? url : `${url}/`);
  const event = await deadline.until('the mesh', () => post(target, token, deadline.signal(ANSWER_MS)));
  const since = session.clock.ticks();
  const { block } = await deadline.until('a block', async () => {
    const found = await findReceipt(store, id, event, { signal: session.signal });
    if (found) return found;
    throw new BlockhubError('MESH_STALLED', `the event ${event} was taken, and no block of chain ${chain} has it`, { details: { event } });
  });
  return { chain: id, event, block: block.id, height: block.height, ms: Math.round(session.clock.ticks() - since) };
}

const ANSWER_MS = 20_000;
/** Of the mesh, or of what stands before it: the same request may be taken later. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504]);

async function post(url: URL, token: string | undefined, signal: AbortSignal): Promise<string> {
  const headers = { 'content-type': 'text/plain', ...(token !== undefined && { 'x-token': token }) };
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, { method: 'POST', headers, body: `check ${randomUUID()}`, signal });
    text = await answer.text();
  } catch (cause) {
    throw new BlockhubError('MESH_UNAVAILABLE', `${url} does not answer: ${reasonOf(cause)}`, { cause });
  }
  const event = answer.ok ? eventOf(text) : undefined;
  if (event !== undefined) return event;
  const code = passing.has(answer.status) ? 'MESH_UNAVAILABLE' : 'MESH_REFUSES';
  throw new BlockhubError(code, `${url} answers ${answer.status}: ${text.slice(0, 300)}`);
}

function eventOf(text: string): string | undefined {
  try {
    const { event } = JSON.parse(text) as { event?: unknown };
    return typeof event === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}

/** Of `fetch`, whose own message names no reason. */
const reasonOf = (error: unknown): string => {
  const { cause = error } = error as { cause?: unknown };
  return cause instanceof Error ? cause.message : String(cause);
};
