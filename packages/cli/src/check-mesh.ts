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
  /** Time from the response until the block was found. */
  ms: number;
}

interface Target {
  readonly url: URL;
  readonly chain: string;
  /** Sent in the header x-token. */
  readonly token: string | undefined;
}

/**
 * Sends an event to a mesh and waits until a block of the chain holds it.
 * @throws MESH_REFUSES if the response is not a receipt; MESH_STALLED if no block holds it in time
 */
export async function checkMesh(session: Session, { url, chain, token }: Target, deadline: Deadline): Promise<CheckedMesh> {
  const store = await session.store();
  const { id } = await deadline.retry(`chain ${chain}`, () => getChain(store, chain, { scan: true }));
  const target = new URL(`append/chain/${encodeURIComponent(chain)}`, url.href.endsWith('/') ? url : `${url}/`);
  const event = await deadline.retry('the mesh', () => post(target, token, deadline.signal(RESPONSE_MS)));
  const since = session.clock.ticks();
  const { block } = await deadline.retry('a block', async () => {
    const found = await findReceipt(store, id, event, { signal: session.signal });
    if (found) return found;
    throw new BlockhubError('MESH_STALLED', `the mesh accepted event ${event}, but no block of chain ${chain} holds it yet`, {
      details: { event },
    });
  });
  return { chain: id, event, block: block.id, height: block.height, ms: Math.round(session.clock.ticks() - since) };
}

const RESPONSE_MS = 20_000;
/** Statuses of the mesh, or of a proxy, after which the same request may succeed later. */
const transientStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

async function post(url: URL, token: string | undefined, signal: AbortSignal): Promise<string> {
  const headers = { 'content-type': 'text/plain', ...(token !== undefined && { 'x-token': token }) };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { method: 'POST', headers, body: `check ${randomUUID()}`, signal });
    text = await response.text();
  } catch (cause) {
    throw new BlockhubError('MESH_UNAVAILABLE', `${url} does not answer: ${reasonOf(cause)}`, { cause });
  }
  const event = response.ok ? eventOf(text) : undefined;
  if (event !== undefined) return event;
  const code = transientStatuses.has(response.status) ? 'MESH_UNAVAILABLE' : 'MESH_REFUSES';
  throw new BlockhubError(code, `${url} answered ${response.status}: ${text.slice(0, 300)}`);
}

function eventOf(text: string): string | undefined {
  try {
    const { event } = JSON.parse(text) as { event?: unknown };
    return typeof event === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}

/** The message of a `fetch` error has no reason; its cause has. */
const reasonOf = (error: unknown): string => {
  const { cause = error } = error as { cause?: unknown };
  return cause instanceof Error ? cause.message : String(cause);
};
