import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import {
  type AddressSet,
  canonicalPeer,
  type ForwardingHeader,
  formatAddress,
  hopsOfForwarded,
  hopsOfXForwardedFor,
  parseHop,
} from '@blockhub/access';
import { quoteRedacted } from '../quote.ts';

/** Who sent a request. */
export interface Client {
  /** Address as it is judged, see `formatAddress`; empty where none can be read, or the connection ended already. */
  readonly ip: string;
  /** Of the connection, as is `tls`. */
  readonly port: number;
  readonly tls: boolean;
  /** The trusted proxy that passed the request on; `ip` is what it says then. */
  readonly via?: string;
  /** What the trusted proxy wrote instead of an address. A rule that needs the address refuses the request and names this text. */
  readonly unreadable?: { readonly header: ForwardingHeader; readonly value: string };
}

/** Which header of trusted proxies counts; `auto` takes X-Forwarded-For where it is there, else Forwarded. */
export type Forwarding = 'auto' | ForwardingHeader;

/**
 * The client of a request. A forwarding header counts only as far as trusted proxies wrote it: read from its end, the first address that is no
 * trusted proxy is the client, whatever a client put before it. Where that place holds no address, the client has none.
 */
export function clientOf({ socket, headers }: IncomingMessage, proxies: AddressSet | undefined, forwarding: Forwarding = 'auto'): Client {
  const peer = canonicalPeer(socket.remoteAddress ?? '');
  const client = { ip: peer, port: socket.remotePort ?? 0, tls: (socket as Partial<TLSSocket>).encrypted === true };
  if (!proxies?.hasPeer(peer)) return client;
  const header = forwarding !== 'auto' ? forwarding : headers['x-forwarded-for'] === undefined ? 'forwarded' : 'x-forwarded-for';
  const value = headers[header] === undefined ? undefined : [headers[header]].flat().join(',');
  if (value === undefined) return client;
  const found = clientIn(header, value, proxies);
  return 'ip' in found
    ? { ...client, ip: found.ip, via: peer }
    : { ...client, ip: '', via: peer, unreadable: { header, value: found.value } };
}

function clientIn(header: ForwardingHeader, value: string, proxies: AddressSet): { readonly ip: string } | { readonly value: string } {
  const hops = header === 'forwarded' ? hopsOfForwarded(value) : hopsOfXForwardedFor(value);
  for (let at = (hops?.length ?? 0) - 1; at >= 0; at--) {
    const hop = hops?.[at];
    const address = hop === undefined ? undefined : parseHop(hop);
    if (!address) return { value: hop ?? value };
    if (at === 0 || !proxies.has(address)) return { ip: formatAddress(address) };
  }
  return { value };
}

const headerNames = { 'x-forwarded-for': 'X-Forwarded-For', forwarded: 'Forwarded' } as const;

/** Why a request has no address, for the message of its refusal. */
export function noAddress({ unreadable, via }: Client): string {
  if (!unreadable) return 'The connection has ended, so its address is unknown.';
  return `The ${headerNames[unreadable.header]} header of the trusted proxy ${via} names no address: expected one like 203.0.113.9, got ${quoteRedacted(unreadable.value)}.`;
}
