import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type AddressSet, type ForwardingHeader, hopsOfForwarded, hopsOfXForwardedFor, parseHop, parsePeer } from '@blockhub/access';
import { quoteRedacted } from '../quote-redacted.ts';

export interface Client {
  /** In the form of `parseAddress`. Empty if it cannot be read, or the connection has ended. */
  readonly ip: string;
  /** Of the connection, like `tls`. */
  readonly port: number;
  readonly tls: boolean;
  /** The trusted proxy that passed the request on, and wrote `ip` into its header. */
  readonly via?: string;
  /** What the trusted proxy wrote in place of an address. */
  readonly unreadable?: { readonly header: ForwardingHeader; readonly value: string };
}

/** `auto` is X-Forwarded-For if the request has it, else Forwarded. */
export type Forwarding = 'auto' | ForwardingHeader;

/**
 * The client is the last address in the forwarding header that is not a trusted proxy: what stands
 * before it was not written by a trusted proxy. If that place has no address, the client has none.
 */
export function clientOf({ socket, headers }: IncomingMessage, proxies: AddressSet | undefined, forwarding: Forwarding = 'auto'): Client {
  const remote = socket.remoteAddress ?? '';
  const peer = parsePeer(remote) ?? remote;
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
    if (address === undefined) return { value: hop ?? value };
    if (at === 0 || !proxies.has(address)) return { ip: address };
  }
  return { value };
}

const headerNames = { 'x-forwarded-for': 'X-Forwarded-For', forwarded: 'Forwarded' } as const;

/** Why a request has no address, for the message of its refusal. */
export function noAddress({ unreadable, via }: Client): string {
  if (!unreadable) return 'The connection has ended, so its address is unknown.';
  return `The ${headerNames[unreadable.header]} header of the trusted proxy ${via} names no address: expected one like 203.0.113.9, got ${quoteRedacted(unreadable.value)}.`;
}
