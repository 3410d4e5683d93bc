import { parsePeer } from './addresses.ts';

/** Headers in which proxies name the sender of a request. */
export type ForwardingHeader = 'x-forwarded-for' | 'forwarded';

const PORT = /^:(?:[0-9]{1,5}|_[A-Za-z0-9._-]+)$/;

/**
 * The address that a proxy wrote: with a port (`203.0.113.9:52711`), in brackets
 * (`[2001:db8::7]:443`), quoted, or with a zone (`fe80::1%eth0`). Undefined for other text, such as
 * `unknown` and `_hidden` (RFC 7239, 6).
 */
export function parseHop(text: string): string | undefined {
  const node = unquote(text.trim()).trim();
  if (node.startsWith('[')) {
    const end = node.indexOf(']');
    const [inside, behind] = [node.slice(1, end), node.slice(end + 1)];
    // Only IPv6 can be in brackets.
    return end > 0 && inside.includes(':') && (behind === '' || PORT.test(behind)) ? parsePeer(inside) : undefined;
  }
  const address = parsePeer(node);
  if (address) return address;
  const colon = node.lastIndexOf(':');
  return colon > 0 && PORT.test(node.slice(colon)) ? parsePeer(node.slice(0, colon)) : undefined;
}

function unquote(text: string): string {
  if (!/^"(?:[^"\\]|\\.)*"$/.test(text)) return text;
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}

export const hopsOfXForwardedFor = (header: string): string[] =>
  header
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');

// Proxies also write addresses in brackets and with ports without the quotes of RFC 7239.
const PAIR = /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s",;=]*))?[ \t]*([,;]|$)/y;

/**
 * The `for` of each element of a Forwarded header (RFC 7239), without empty elements. An element
 * without `for`, or with two, is undefined. If the header is malformed, the result is undefined: a
 * client that writes a part of it must not control how the rest is read.
 */
export function hopsOfForwarded(header: string): (string | undefined)[] | undefined {
  const hops: (string | undefined)[] = [];
  let nodes: string[] = [];
  let pairs = 0;
  PAIR.lastIndex = 0;
  for (;;) {
    const [, name, value = '', end] = PAIR.exec(header) ?? [];
    if (end === undefined) return undefined;
    if (name !== undefined) pairs++;
    if (name?.toLowerCase() === 'for') nodes.push(value);
    if (end === ';') continue;
    if (pairs > 0) hops.push(nodes.length === 1 ? nodes[0] : undefined);
    nodes = [];
    pairs = 0;
    if (end === '') return hops;
  }
}
