import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { eventTime, isEvent } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Registry } from '@blockhub/registry';

/*
 * A sender that names its events may send one again. The first request with a name claims it in the registry with the event ids it will publish
 * under; every later one, to whichever instance, takes the ids from there. So a request that comes twice at once, or again after a crash between
 * claim and confirm, publishes the same events again, which the builder drops. Once they are confirmed the claim says so, and nothing more is
 * published: an old event id makes the builder look at all blocks since.
 */

/** What is remembered of the request that came first. */
export interface Claim {
  /** Event ids of the body and of the request document. */
  readonly event: string;
  readonly document: string;
  /** SHA-256 of the body. */
  readonly sha256: string;
  /** The events are durable. */
  readonly confirmed?: true;
}

/** The names of events by their senders. */
export class Claims {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #windowMs: number;

  constructor(registry: Registry, clock: Clock, windowMs: number) {
    this.#registry = registry;
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  /**
   * The claim under the name: this one, or the one that was first within the window. Durable when it resolves.
   * @throws IDEMPOTENCY_KEY_REUSED where the first one had another body; REGISTRY_UNAVAILABLE
   */
  async make(name: string, claim: Claim): Promise<Claim> {
    const now = this.#clock.now();
    const there = JSON.parse(await this.#registry.claim(name, JSON.stringify(claim), { now, until: now + this.#windowMs })) as Claim;
    if (there.sha256 === claim.sha256) return there;
    const first = isEvent(there.event) ? ` at ${new Date(eventTime(there.event)).toISOString()}` : '';
    throw new BlockhubError('IDEMPOTENCY_KEY_REUSED', `Another body came with this idempotency key${first}.`, {
      details: { event: there.event },
    });
  }

  /** Notes that its events are durable. Should the note be lost, a repetition publishes once more. */
  confirm(name: string, claim: Claim): void {
    this.#registry.replaceClaim(name, JSON.stringify({ ...claim, confirmed: true })).catch(() => {});
  }
}

/**
 * The name that a request gives its event: what the first of the headers that names one says, for this chain and sender. A CloudEvents id (`ce-id`)
 * is one of its `ce-source` only. An empty header names nothing, and one of any length is a name: none is refused, whatever stands beside it.
 * Undefined where no header names an event.
 */
export function claimName(
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
