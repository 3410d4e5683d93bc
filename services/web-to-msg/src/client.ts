import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type AddressSet, parseAddress } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';

/** Who sent a request. */
export interface Client {
  /** Address; empty when the connection ended already. */
  readonly ip: string;
  /** Of the connection, as is `tls`. */
  readonly port: number;
  readonly tls: boolean;
  /** The trusted proxy that passed the request on; `ip` is what it says then. */
  readonly via?: string;
}

/**
 * The client of a request. X-Forwarded-For counts only as far as trusted proxies wrote it: read from its end, the first address that is no
 * trusted proxy is the client, whatever a client put before it.
 * @throws REQUEST_INVALID where a trusted proxy names no address
 */
export function clientOf({ socket, headers }: IncomingMessage, proxies: AddressSet | undefined): Client {
  const peer = socket.remoteAddress ?? '';
  const client = { ip: peer, port: socket.remotePort ?? 0, tls: (socket as Partial<TLSSocket>).encrypted === true };
  const forwarded = headers['x-forwarded-for'];
  if (!proxies || forwarded === undefined || !proxies.hasPeer(peer)) return client;
  const hops = [forwarded].flat().join(',').split(',');
  for (let at = hops.length - 1; at >= 0; at--) {
    const ip = (hops[at] ?? '').trim();
    const address = parseAddress(ip);
    if (!address) throw new BlockhubError('REQUEST_INVALID', 'The X-Forwarded-For header of a trusted proxy holds what is no address.');
    if (at === 0 || !proxies.has(address)) return { ...client, ip, via: peer };
  }
  return client;
}
