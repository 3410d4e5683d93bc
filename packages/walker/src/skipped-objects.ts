import { BlockhubError } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { reasonOf, type Unchecked } from './unchecked.ts';

/** Objects that the error message names; more are only counted. */
const MAX_NAMED = 5;

const skippable: ReadonlySet<string> = new Set([
  'STORE_DENIED',
  'STORE_UNUSABLE',
  'STORE_UNAVAILABLE',
  'CHAIN_NOT_FOUND',
  'CHAIN_DAMAGED',
  'SEARCH_INCOMPLETE',
]);

/** True if the error may concern one chain or object only, so that others can be read. */
export const canSkip = (error: unknown): error is BlockhubError => error instanceof BlockhubError && skippable.has(error.code);

/** Objects that a search skipped because they are damaged, missing or cannot be read. */
export class SkippedObjects {
  readonly #onUnseen: OnUnseen | undefined;
  readonly #first: Unchecked[] = [];
  /** A listing and a read report the same object one after the other; it counts once. */
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
    if (this.#count++ < MAX_NAMED) this.#first.push({ key, error });
    this.#onUnseen?.(key, error);
  };

  /** The bytes of an object. Undefined if it does not exist, or if it is skipped. */
  async find(store: Store, key: string): Promise<Buffer | undefined> {
    try {
      return await store.find(key);
    } catch (error) {
      this.add(key, error);
      return undefined;
    }
  }

  /** `absent` if nothing was skipped, else SEARCH_INCOMPLETE. `what` is e.g. `chain "orders"`. */
  notFound(what: string, absent: BlockhubError): BlockhubError {
    if (this.#count === 0) return absent;
    const [{ error: cause } = {}] = this.#first;
    const more = this.#count > MAX_NAMED ? `; and ${this.#count - MAX_NAMED} more` : '';
    const objects = this.#count === 1 ? 'one object was' : `${this.#count} objects were`;
    const message = `${what} was not found, but ${objects} skipped: ${this.#first.map(reasonOf).join('; ')}${more}`;
    return new BlockhubError('SEARCH_INCOMPLETE', message, { cause, details: { unseen: this.#count } });
  }
}
