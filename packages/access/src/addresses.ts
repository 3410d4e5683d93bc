import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { quote } from '@blockhub/errors';

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * An address in its canonical form: IPv4 in four parts, also for IPv4-mapped IPv6; IPv6 in lower
 * case and compressed (RFC 5952). Undefined for other text: a zone, a port, an octet like `01`.
 */
export function parseAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = MAPPED.exec(canonical)?.slice(1);
  return mapped ? mapped.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]).join('.') : canonical;
}

/** The address of a connection, without the interface of a link-local one (`fe80::1%eth0`). */
export const parsePeer = (ip: string): string | undefined => parseAddress(ip.split('%', 1)[0] ?? '');

/** The network of one sender: its IPv4 address, or the IPv6 /64 of which it can use any address. */
export const networkOf = (address: string): string => (isIPv4(address) ? address : `${groupsOf(address).slice(0, 4).join(':')}::/64`);

function groupsOf(v6: string): string[] {
  const [before = [], after = []] = v6.split('::').map((part) => (part === '' ? [] : part.split(':')));
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
}

const toBigInt = (address: string): bigint =>
  isIPv4(address)
    ? address.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n)
    : groupsOf(address).reduce((value, group) => value * 65_536n + BigInt(`0x${group}`), 0n);

const OCTET = '(?:0|[1-9][0-9]{0,2})';
const OCTET_RANGES = new RegExp(`^${OCTET}(?:-${OCTET})?(?:[.]${OCTET}(?:-${OCTET})?){3}$`);
type Range = readonly [first: number, last: number];

/**
 * A set of addresses, in the form that `parseAddress` gives. `BlockList` compares an address with
 * each rule in turn, so lists of thousands of blocks cost time for each request.
 */
export class AddressSet {
  // One list for each family: `BlockList` finds an IPv4 address in ::/0 too.
  readonly #v4 = new BlockList();
  readonly #v6 = new BlockList();
  readonly #octets: (readonly Range[])[] = [];

  /**
   * @param items addresses (`10.1.2.3`, `2001:db8::1`), CIDR blocks (`10.0.0.0/8`), ranges per
   * octet (`192.12-168.1-30.22`)
   * @param mistake called with each item that is none of them, and why
   */
  constructor(items: readonly string[], mistake: (what: string) => void) {
    for (const item of items) {
      const fault = item.includes('-') && OCTET_RANGES.test(item) ? this.#addOctets(item) : this.#addBlock(item);
      if (fault !== undefined) mistake(`${quote(item)} ${fault}`);
    }
  }

  hasPeer(ip: string): boolean {
    const address = parsePeer(ip);
    return address !== undefined && this.has(address);
  }

  has(address: string): boolean {
    if (!isIPv4(address)) return this.#v6.check(address, 'ipv6');
    if (this.#v4.check(address)) return true;
    if (this.#octets.length === 0) return false;
    const octets = address.split('.').map(Number);
    return this.#octets.some((ranges) =>
      octets.every((octet, at) => {
        const [first, last] = ranges[at] as Range;
        return first <= octet && octet <= last;
      }),
    );
  }

  #addOctets(item: string): string | undefined {
    const ranges = item.split('.').map((part): Range => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return [first, last];
    });
    if (ranges.some(([first, last]) => first > last || last > 255)) return 'has an octet range that does not grow from 0 to 255';
    this.#octets.push(ranges);
    return undefined;
  }

  #addBlock(item: string): string | undefined {
    const [text = '', bits, ...rest] = item.split('/');
    const address = parseAddress(text);
    if (address === undefined || rest.length > 0)
      return 'is not an address, a CIDR block or ranges per octet; expected one such as 10.1.2.3, 10.0.0.0/8 or 192.12-168.1-30.22';
    const width = isIPv4(text) ? 32 : 128;
    if (bits !== undefined && (!/^(?:0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > width))
      return `needs a number from 0 to ${width} after the slash`;
    const isV4 = isIPv4(address);
    // The prefix of an IPv4-mapped block counts the 96 bits before the IPv4 address too.
    const prefix = Number(bits ?? width) - (width === 128 && isV4 ? 96 : 0);
    if (prefix < 0) return 'covers IPv4 and IPv6; write two blocks, such as 0.0.0.0/0 and ::/0';
    const size = 1n << BigInt((isV4 ? 32 : 128) - prefix);
    if (toBigInt(address) % size !== 0n) return `has bits after its first ${bits}; set them to zero`;
    if (isV4) this.#v4.addSubnet(address, prefix);
    else this.#v6.addSubnet(address, prefix, 'ipv6');
    return undefined;
  }
}
