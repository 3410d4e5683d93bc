import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { eventTime, isEvent } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Registry } from '@blockhub/registry';

/*
 * The first request with an idempotency key claims it in the registry, with the event ids under
 * which it will publish. Every later one, at any instance, uses these ids. So two requests at once,
 * or one that is sent again after a crash between claim and confirm, publish the same events, and
 * the builder drops the repetition. When the events are confirmed, the registry notes it, and they
 * are not published again: an old event id would make the builder read all blocks since.
 */

/** What the registry has of the first request with a key. */
export interface FirstRequest {
  /** Event ids of the body and of the request document. */
  readonly event: string;
  readonly document: string;
  /** SHA-256 of the body. */
  readonly sha256: string;
  /** The events are durable. */
  readonly confirmed?: true;
}

export class IdempotencyKeys {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #windowMs: number;

  constructor(registry: Registry, clock: Clock, windowMs: number) {
    this.#registry = registry;
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  /**
   * Returns the durable first request with the key in the window: this one or an earlier one.
   * @throws IDEMPOTENCY_KEY_REUSED if the first request had another body; REGISTRY_UNAVAILABLE
   */
  async claim(key: string, request: FirstRequest): Promise<FirstRequest> {
    const now = this.#clock.now();
    const stored = await this.#registry.claim(key, JSON.stringify(request), { now, until: now + this.#windowMs });
    const first = JSON.parse(stored) as FirstRequest;
    if (first.sha256 === request.sha256) return first;
    const at = isEvent(first.event) ? ` at ${new Date(eventTime(first.event)).toISOString()}` : '';
    throw new BlockhubError('IDEMPOTENCY_KEY_REUSED', `This idempotency key was used with another body${at}.`, {
      details: { event: first.event },
    });
  }

  /** Notes that the events are durable. If that fails, a repetition publishes them once more. */
  confirm(key: string, first: FirstRequest): void {
    this.#registry.replaceClaim(key, JSON.stringify({ ...first, confirmed: true })).catch(() => {});
  }
}

/**
 * For this chain and sender: a hash of the first of the headers that is not empty, of any length.
 * The id of a CloudEvent (`ce-id`) is unique within its `ce-source` only, so both count.
 */
export function idempotencyKeyOf(
  names: readonly string[],
  {
    headers,
    chain,
    subject = '',
  }: { readonly headers: IncomingHttpHeaders; readonly chain: string; readonly subject?: string | undefined },
): string | undefined {
  for (const name of names) {
    const header = name.toLowerCase();
    const value = headers[header]?.toString();
    if (value === undefined || value.trim() === '') continue;
    const source = header === 'ce-id' ? (headers['ce-source']?.toString() ?? '') : '';
    return createHash('sha256')
      .update(JSON.stringify([chain, subject, header, source, value]))
      .digest('hex');
  }
  return undefined;
}
