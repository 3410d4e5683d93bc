import { parsePeer } from '@blockhub/access';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { noAddress } from '../client.ts';
import { shown } from '../redaction.ts';
import type { MakeRule, Rule, RuleContext } from './rule.ts';

/** Senders that are remembered at a time, by each rule. Over it strangers are refused until one is forgotten: memory is bounded, and fails closed. */
const MAX_SENDERS = 65_536;

const LIMIT = /^[1-9][0-9]{0,8}\/[smh]$/;
const periods: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/**
 * A limit per sender: so many at once, and as many in each period. For each sender one number is kept, the time when all it has used is given
 * back (GCRA); a sender of whom that time has passed is as one never seen.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #period: number;
  readonly #each: number;
  readonly #maxSenders: number;
  /** The one whose last request is longest ago first. */
  readonly #freeAt = new Map<string, number>();

  /** @param limit such as `100/s` */
  constructor(clock: Clock, limit: string, maxSenders = MAX_SENDERS) {
    const [count, unit = ''] = limit.split('/');
    this.#clock = clock;
    this.#period = periods[unit] ?? 0;
    this.#each = this.#period / Number(count);
    this.#maxSenders = maxSenders;
  }

  /** Senders that are remembered now. */
  get size(): number {
    return this.#freeAt.size;
  }

  /** Takes one request of a sender; gives 0, or how many ms to wait. What is refused costs the sender nothing. */
  take(sender: string): number {
    const now = this.#clock.ticks();
    const known = this.#freeAt.get(sender);
    if (known === undefined && !this.#makeRoom(now)) return this.#period;
    const freeAt = Math.max(known ?? now, now) + this.#each;
    // A hair of tolerance: sums of fractions must not cost the last request of a burst.
    const wait = freeAt - now - this.#period;
    if (wait > 1e-6) return wait;
    this.#freeAt.delete(sender);
    this.#freeAt.set(sender, freeAt);
    return 0;
  }

  #makeRoom(now: number): boolean {
    for (const [sender, freeAt] of this.#freeAt) {
      if (freeAt > now) break;
      this.#freeAt.delete(sender);
    }
    return this.#freeAt.size < this.#maxSenders;
  }
}

/** The addresses of an IPv6 /64 are one sender's: it can use any of them. Undefined if the text is not an address. */
function networkOf(ip: string): string | undefined {
  const address = parsePeer(ip);
  if (!address) return undefined;
  return address.family === 4 ? String(address.value) : `6:${address.value >> 64n}`;
}

/** Requests in a minute that a limit lets in; undefined if the text is not a limit. */
export function perMinute(limit: string | undefined): number | undefined {
  if (limit === undefined || !LIMIT.test(limit)) return undefined;
  const [count, unit = ''] = limit.split('/');
  return Math.max(1, Math.floor((Number(count) * 60_000) / (periods[unit] ?? 1)));
}

type ThrottleSetting = 'throttleIp' | 'throttleKey' | 'throttleAll';

/** Limits of requests (CAP-11): per address, per key, of all. */
function throttleRule(
  { settings, clock, mistake }: RuleContext,
  by: ThrottleSetting,
  name: string,
  whose: string,
  senderOf: SenderOf,
): Rule | undefined {
  const limit = settings[by];
  if (limit === undefined) return undefined;
  if (!LIMIT.test(limit)) {
    mistake(
      by,
      `${JSON.stringify(limit.slice(0, 100))} is no limit: write how many in a second, minute or hour, like 100/s, 5000/m or 20/h`,
    );
    return undefined;
  }
  const throttle = new Throttle(clock, limit);
  return {
    name,
    head(head) {
      const sender = senderOf(head);
      const wait = sender === undefined ? 0 : throttle.take(sender);
      if (wait === 0) return undefined;
      const message = `Over the limit of ${limit} ${whose} (--${name}).`;
      return new BlockhubError('THROTTLED', message, { details: { retryAfterMs: wait } });
    },
  };
}

type SenderOf = (head: Parameters<NonNullable<Rule['head']>>[0]) => string | undefined;

/** A request without an address cannot be counted: it is refused, or its sender would have no limit. */
export const throttleIpRule: MakeRule = (context) => {
  const rule = throttleRule(context, 'throttleIp', 'throttle-ip', 'of one address', ({ client }) => networkOf(client.ip));
  if (!rule) return undefined;
  return {
    name: rule.name,
    head: (head) =>
      networkOf(head.client.ip) === undefined ? new BlockhubError('ADDRESS_FORBIDDEN', noAddress(head.client, shown)) : rule.head?.(head),
  };
};

/** Requests without a subject have no key; the other limits hold for them. */
export const throttleKeyRule: MakeRule = (context) =>
  throttleRule(context, 'throttleKey', 'throttle-key', 'of one key', ({ found }) => found.subject?.toString());

export const throttleAllRule: MakeRule = (context) => throttleRule(context, 'throttleAll', 'throttle-all', 'of all requests', () => 'all');
