/**
 * Senders that post until SIGTERM, in a pod that has only Node and this file. Each try is a line on
 * standard output, and the last line is the number of tries. After a broken connection the same
 * body is sent again; no other try is repeated.
 */
import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** One try of a request, and its answer. */
export interface Tried {
  /** Milliseconds since 1970, at its end. */
  readonly at: number;
  readonly chain: string;
  /** Of the body. */
  readonly hash: string;
  readonly answer: TriedAnswer;
}

interface TriedAnswer {
  /**
   * 0 if the connection broke or was refused (`reset`), or if it held without an answer (`silent`).
   */
  readonly status: number;
  readonly code?: string | undefined;
  /** What the answer says beside its code. */
  readonly detail?: string | undefined;
  readonly receipt?: { readonly chain: string; readonly event: string; readonly hash: string };
  /** The status of an answer that is not Blockhub's. It counts as a broken connection. */
  readonly foreignStatus?: number;
}

const PATIENCE_MS = 20_000;
const RETRY_MS = 250;
/** One in this number of bodies is larger than a message can hold. */
const LARGE = 100;
const LARGE_BYTES = 1_200_000;

const { URL: url = '', CHAINS = '', SENDERS = '4', PAUSE_MS = '400' } = process.env;
const chains = CHAINS.split(',');
const agent = new Agent({ keepAlive: true });
const ending = new AbortController();
let tries = 0;

process.on('SIGTERM', () => ending.abort());
await Promise.all(Array.from({ length: Number(SENDERS) }, (_, n) => send(`sender ${n}`)));
console.log(JSON.stringify({ tries }));

async function send(own: string): Promise<void> {
  for (let n = 0; !ending.signal.aborted; n++) {
    const chain = chains[Math.floor(Math.random() * chains.length)] ?? '';
    const body = Buffer.from(`${own} ${n}`.padEnd(n % LARGE === LARGE - 1 ? LARGE_BYTES : Math.ceil(Math.random() * 800), '.'));
    while (!(await tryOnce(chain, body)) && !ending.signal.aborted) await sleep(RETRY_MS);
    await sleep(Math.random() * 2 * Number(PAUSE_MS), undefined, { signal: ending.signal }).catch(() => undefined);
  }
}

/** False if the connection broke. */
async function tryOnce(chain: string, body: Buffer): Promise<boolean> {
  const answer = await post(`${url}/append/chain/${chain}`, body);
  const hash = createHash('sha256').update(body).digest('hex');
  tries++;
  console.log(JSON.stringify({ at: Date.now(), chain, hash, answer } satisfies Tried));
  return answer.code !== 'reset';
}

function post(to: string, body: Buffer): Promise<TriedAnswer> {
  return new Promise((resolve) => {
    let connected = false;
    const sent = request(to, { method: 'POST', agent, headers: { 'content-type': 'text/plain', 'content-length': body.length } });
    const patience = setTimeout(() => {
      resolve({ status: 0, code: connected ? 'silent' : 'reset' });
      sent.destroy();
    }, PATIENCE_MS);
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (connected = true));
      else connected = true;
    });
    sent.on('error', () => resolve({ status: 0, code: 'reset' }));
    sent.on('close', () => clearTimeout(patience));
    sent.on('response', async (response) => {
      const { socket, statusCode = 0 } = response;
      const bytes = await response.toArray().catch(() => undefined);
      if (!bytes) return resolve({ status: 0, code: 'reset' });
      const answer = read(statusCode, Buffer.concat(bytes).toString());
      if (answer.foreignStatus !== undefined) socket.destroy();
      resolve(answer);
    });
    sent.end(body);
  });
}

/**
 * Every answer of Blockhub is JSON, a receipt or a problem with a code. While a Service has no pod,
 * its address may lead to another server outside of the cluster for a moment.
 */
function read(status: number, text: string): TriedAnswer {
  try {
    const { code, detail, chain, event, hash } = JSON.parse(text);
    return status === 201 || status === 202 ? { status, receipt: { chain, event, hash } } : { status, code, detail };
  } catch {
    return { status: 0, code: 'reset', foreignStatus: status };
  }
}
