import { BlockhubError } from '@blockhub/errors';
import type { OnUnseen } from '@blockhub/store';
import type { Unchecked } from './reader.ts';
import { reasonOf } from './reason.ts';

/** Kept for the message; the count goes on. */
const MOST = 5;

const ofOneThing: ReadonlySet<string> = new Set([
  'STORE_DENIED',
  'STORE_UNUSABLE',
  'STORE_UNAVAILABLE',
  'CHAIN_NOT_FOUND',
  'CHAIN_DAMAGED',
  'SEARCH_INCOMPLETE',
]);

/** True where an error can be of one chain or object only, so that the others are still worth a look; not where the whole store is wrong. */
export const isOfOneThing = (error: unknown): error is BlockhubError => error instanceof BlockhubError && ofOneThing.has(error.code);

/** What a search could not look at. Each thing counts once, and is handed on as it turns up. */
export class Unseen {
  readonly #onUnseen: OnUnseen | undefined;
  readonly #first: Unchecked[] = [];
  /** The last one: a thing that is met again is met at once, as listing and reading follow each other. */
  #last = '';
  #count = 0;

  constructor(onUnseen?: OnUnseen) {
    this.#onUnseen = onUnseen;
  }

  get count(): number {
    return this.#count;
  }

  readonly add = (key: string, error: unknown): void => {
    if (key === this.#last) return;
    this.#last = key;
    if (this.#count++ < MOST) this.#first.push({ key, error });
    this.#onUnseen?.(key, error);
  };

  /**
   * The error of a search that found nothing: `absent` where everything was looked at, else SEARCH_INCOMPLETE, which names what was not.
   * @param what e.g. `chain "orders"`
   */
  notFound(what: string, absent: BlockhubError): BlockhubError {
    if (this.#count === 0) return absent;
    const [{ error: cause } = {}] = this.#first;
    const more = this.#count > MOST ? `; and ${this.#count - MOST} more` : '';
    const things = this.#count === 1 ? 'one thing' : `${this.#count} things`;
    return new BlockhubError(
      'SEARCH_INCOMPLETE',
      `${what} was not found, but ${things} could not be looked at: ${this.#first.map(reasonOf).join('; ')}${more}`,
      { cause, details: { unseen: this.#count } },
    );
  }
}
