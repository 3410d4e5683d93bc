import { isIPv4, isIPv6 } from 'node:net';

/** An address as a number: IPv4 also where it is written as IPv4-mapped IPv6. */
export type Address = { readonly family: 4; readonly value: number } | { readonly family: 6; readonly value: bigint };

const MAPPED = 0xffffn;

/** Strict: no zone, no port, no octet with a leading zero; undefined for all that is no address. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: v4Value(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const value = v6Value(text);
  return value >> 32n === MAPPED ? { family: 4, value: Number(value & 0xffff_ffffn) } : { family: 6, value };
}

const v4Value = (text: string): number => text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);

function v6Value(text: string): bigint {
  const dotted = text.lastIndexOf('.') < 0 ? '' : text.slice(text.lastIndexOf(':') + 1);
  const low = dotted === '' ? 0 : v4Value(dotted);
  const plain = dotted === '' ? text : `${text.slice(0, -dotted.length)}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}`;
  const [left = '', right] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** The address of a connection: the kernel adds the name of the interface to link-local ones (`fe80::1%eth0`), which does not count. */
export const parsePeer = (ip: string): Address | undefined => parseAddress(ip.split('%', 1)[0] ?? '');

/** An address as it is judged: IPv4 in four parts, also where it was written as IPv6; IPv6 lower case and compressed (RFC 5952). */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24, 16, 8, 0].map((bits) => (value >>> bits) & 255).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  const text = groups.join(':');
  // The first of the longest runs of two or more zeros.
  const run = text.match(/\b0(?::0)+\b/g)?.reduce((longest, one) => (one.length > longest.length ? one : longest));
  return run === undefined ? text : text.replace(new RegExp(`(?:^|:)\\b${run}\\b(?:$|:)`), '::');
}

/** The address of a connection as it is judged; any other text stays as it is. */
export function canonicalPeer(ip: string): string {
  if (isIPv4(ip)) return ip;
  const address = parsePeer(ip);
  return address ? formatAddress(address) : ip;
}

const OCTET = '(?:0|[1-9][0-9]{0,2})';
const OCTET_RANGES = new RegExp(`^${OCTET}(?:-${OCTET})?(?:[.]${OCTET}(?:-${OCTET})?){3}$`);
type Range<T> = readonly [first: T, last: T];

/** A set of addresses. Blocks are sorted intervals, so that asking is a binary search however many there are. */
export class AddressSet {
  #v4: Range<number>[] = [];
  #v6: Range<bigint>[] = [];
  /** Ranges of octets that are no interval. */
  readonly #octets: (readonly Range<number>[])[] = [];

  /**
   * @param items addresses (`10.1.2.3`, `2001:db8::1`), CIDR blocks (`10.0.0.0/8`), ranges per octet (`192.12-168.1-30.22`)
   * @param mistake told of each item that is none of them, and why
   */
  constructor(items: readonly string[], mistake: (what: string) => void) {
    for (const item of items) {
      const fault = OCTET_RANGES.test(item) ? this.#addOctets(item) : this.#addBlock(item);
      if (fault !== undefined) mistake(`${JSON.stringify(item.slice(0, 100))} ${fault}`);
    }
    this.#v4 = merge(this.#v4, (value) => value + 1);
    this.#v6 = merge(this.#v6, (value) => value + 1n);
  }

  /** Whether it has the address of a connection. False for what is no address. */
  hasPeer(ip: string): boolean {
    const address = parsePeer(ip);
    return address !== undefined && this.has(address);
  }

  has(address: Address): boolean {
    if (address.family === 6) return holds(this.#v6, address.value);
    const { value } = address;
    if (holds(this.#v4, value)) return true;
    return this.#octets.some((octets) =>
      octets.every(([first, last], at) => {
        const octet = (value >>> (24 - 8 * at)) & 255;
        return first <= octet && octet <= last;
      }),
    );
  }

  #addOctets(item: string): string | undefined {
    const octets = item.split('.').map((part): Range<number> => {
      const [first, last] = part.split('-').map(Number);
      return [first ?? 0, last ?? first ?? 0];
    });
    if (octets.some(([first, last]) => first > last || last > 255)) return 'has an octet range that is not growing from 0 to 255';
    // One octet that varies, and full ones behind it: an interval.
    const varies = octets.findIndex(([first, last]) => first !== last);
    const isInterval = varies < 0 || octets.slice(varies + 1).every(([first, last]) => first === 0 && last === 255);
    const ends = (which: 0 | 1): number => octets.reduce((value, octet) => value * 256 + octet[which], 0);
    if (isInterval) this.#v4.push([ends(0), ends(1)]);
    else this.#octets.push(octets);
    return undefined;
  }

  #addBlock(item: string): string | undefined {
    const [text = '', bits, ...rest] = item.split('/');
    const address = parseAddress(text);
    if (!address || rest.length > 0)
      return 'is no address, CIDR block or range per octet: write 10.1.2.3, 10.0.0.0/8 or 192.12-168.1-30.22';
    const width = isIPv4(text) ? 32 : 128;
    if (bits !== undefined && (!/^(?:0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > width))
      return `needs a number from 0 to ${width} behind the slash`;
    // A mapped block counts the 96 bits before the IPv4 address too.
    const prefix = Number(bits ?? width) - (width === 128 && address.family === 4 ? 96 : 0);
    if (prefix < 0) return 'covers IPv4 and IPv6: write two blocks, like 0.0.0.0/0 and ::/0';
    const size = 1n << BigInt((address.family === 4 ? 32 : 128) - prefix);
    const first = BigInt(address.value);
    if (first % size !== 0n) return `has bits behind its first ${bits}: set them to zero`;
    const last = first + size - 1n;
    if (address.family === 4) this.#v4.push([Number(first), Number(last)]);
    else this.#v6.push([first, last]);
    return undefined;
  }
}

/** Sorted, and those that touch or overlap joined. */
function merge<T extends number | bigint>(ranges: readonly Range<T>[], next: (value: T) => T): Range<T>[] {
  const merged: Range<T>[] = [];
  for (const range of ranges.toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))) {
    const before = merged.at(-1);
    if (!before || range[0] > next(before[1])) merged.push(range);
    else if (range[1] > before[1]) merged[merged.length - 1] = [before[0], range[1]];
  }
  return merged;
}

function holds<T extends number | bigint>(ranges: readonly Range<T>[], value: T): boolean {
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle] as Range<T>;
    if (value < first) high = middle - 1;
    else if (value > last) low = middle + 1;
    else return true;
  }
  return false;
}
