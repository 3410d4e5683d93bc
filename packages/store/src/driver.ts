/** What a listing tells of an object; `length` in bytes. */
export interface StoredObject {
  readonly key: string;
  readonly length: number;
}

/** Told of a folder (ends with `/`) or object that a listing may not or cannot open, and why. The listing goes on behind it. */
export type OnUnseen = (key: string, error: unknown) => void;

/** Bytes `offset` to `offset + length`, both in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What opens the doors of a store that has any. */
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

/** What an operator reads of a failure: a clause that says what happened, and sentences that say what to do. */
export interface Advice {
  readonly what: string;
  readonly fix: string;
}

/**
 * The bytes of one place. Drivers throw raw errors, check no keys, try nothing again, and count nothing: `Store` does that once for all.
 * A driver may be used by many callers at the same time. Answers come after the effect is durable.
 */
export interface StoreDriver {
  /** All bytes or those of the range that exist (fewer, or none, past the end); undefined where no object lies. */
  get(key: string, range?: ByteRange): Promise<Buffer | undefined>;
  head(key: string): Promise<{ length: number } | undefined>;
  /** True when this call made the object, false when one lay there: exactly one of any number of racing calls is told true. */
  create(key: string, bytes: Uint8Array): Promise<boolean>;
  /** Writes or replaces; a reader sees the old bytes or the new ones, never a mixture. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>;
  /**
   * Objects whose keys start with `prefix` and come after `after`, ordered by the bytes of the key. With `onUnseen` it goes on behind what
   * cannot be opened, where the place can say what that is; without, it throws there.
   */
  list(prefix: string, after?: string, onUnseen?: OnUnseen): AsyncIterable<StoredObject>;
  /** Makes the place itself, such as a bucket: true when this call did. Absent where the first write does. */
  prepare?(): Promise<boolean>;
  classify(error: unknown): FailureClass;
  /** What an operator can do about it, where that is known; what the code of the error says otherwise. */
  advise?(error: unknown): Advice | undefined;
  /** How long the place asked to be left alone, in ms, where it did. */
  retryAfterMs?(error: unknown): number | undefined;
  close(): Promise<void>;
}
