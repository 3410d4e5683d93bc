import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PEER } from './proxy.ts';

/**
 * A request as its sender writes it, in tests/guides/senders/NAME.http. `{token}` in it stands for
 * the token of the sender.
 */
export interface HttpFile {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export function readHttpFile(name: string): HttpFile {
  const bytes = readFileSync(join(import.meta.dirname, 'senders', `${name}.http`));
  const split = bytes.indexOf('\n\n');
  const [first = '', ...lines] = bytes.subarray(0, split).toString('latin1').split('\n');
  const [method = '', target = ''] = first.split(' ');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
  return { method, target, headers, body: bytes.subarray(split + 2) };
}

/** The value of a header; empty if there is none. */
export const headerOf = ({ headers }: HttpFile, name: string): string =>
  headers.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1] ?? '';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface From {
  readonly port: number;
  /** Address of the sender. */
  readonly peer: string;
  readonly token?: string | undefined;
  /** Additional headers. */
  readonly more?: readonly string[];
}

/** Sends the bytes of the file, with the length of its body. */
export async function send({ method, target, headers, body }: HttpFile, { port, peer, token = '', more = [] }: From): Promise<Answer> {
  const length = body.length > 0 || method === 'POST' ? ['Content-Length', String(body.length)] : [];
  const sent = request({
    host: '127.0.0.1',
    port,
    method,
    path: target.replace('{token}', token),
    headers: [...headers.flat(), ...length, PEER, peer, ...more],
  });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
}
