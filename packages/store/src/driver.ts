/** An object of a listing; `length` in bytes. */
export interface StoredObject {
  readonly key: string;
  readonly length: number;
}

/**
 * Gets the key of a folder (it ends with `/`) or object that a listing cannot open, and the error.
 * The listing continues behind it.
 */
export type OnUnseen = (key: string, error: unknown) => void;

/** Bytes `offset` to `offset + length`, both in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface StoreCredentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

export const failureClasses = ['transient', 'unknown', 'denied', 'full', 'unusable', 'permanent'] as const;

/**
 * What a raw error of a driver means:
 *
 * | class       | the effect    | the store                                                    |
 * | ----------- | ------------- | ------------------------------------------------------------ |
 * | `transient` | may be undone | tries again until `retryMs` passed, then STORE_UNAVAILABLE     |
 * | `unknown`   | may be done   | the same; a create is read back first                          |
 * | `denied`    | not done      | throws STORE_DENIED at once                                    |
 * | `full`      | not done      | throws STORE_FULL at once                                      |
 * | `unusable`  | not done      | throws STORE_UNUSABLE at once: only a change by a person helps |
 * | `permanent` | not done      | throws the error as it is                                      |
 */
export type FailureClass = (typeof failureClasses)[number];

/** For an operator: a clause that says what happened, and sentences that say what to do. */
export interface Advice {
  readonly what: string;
  readonly fix: string;
}

/**
 * The objects of one bucket. A driver throws raw errors, checks no keys, retries nothing and counts
 * nothing, because `Store` does that for all drivers. Many callers may use a driver at the same
 * time. A method resolves after the effect is durable.
 */
export interface StoreDriver {
  /** All bytes, or those of the range that exist (perhaps none). Undefined without an object. */
  get(key: string, range?: ByteRange): Promise<Buffer | undefined>;
  head(key: string): Promise<{ length: number } | undefined>;
  /** True if this call made the object. Of any number of racing calls exactly one gets true. */
  create(key: string, bytes: Uint8Array): Promise<boolean>;
  /** Writes or replaces. A reader gets the old bytes or the new ones, never a mixture. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Does nothing if there is no object. */
  remove(key: string): Promise<void>;
  /**
   * Objects whose keys start with `prefix` and come after `after`, ordered by the bytes of the key.
   * With `onUnseen` it continues behind what cannot be opened, if the driver can name that. Without
   * it, the listing throws there.
   */
  list(prefix: string, after?: string, onUnseen?: OnUnseen): AsyncIterable<StoredObject>;
  /** Makes the bucket; true if this call did. Absent if the first write makes it. */
  prepare?(): Promise<boolean>;
  classify(error: unknown): FailureClass;
  /** Advice for the operator, if there is better advice than that of the error's code. */
  advise?(error: unknown): Advice | undefined;
  /** How long the server asked to wait, in ms, if it did. */
  retryAfterMs?(error: unknown): number | undefined;
  close(): Promise<void>;
}
