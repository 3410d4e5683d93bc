/** What is known of a chain without reading it. */
export interface ChainRecord {
  readonly id: string;
  readonly name?: string;
  readonly crypt: 'sha256' | 'md5';
  readonly settings: { readonly requests?: boolean };
  /** Of the root, in milliseconds since 1970. */
  readonly time: number;
}

/** When a claim is made and until when it holds; milliseconds since 1970 by the caller's clock. */
export interface ClaimTimes {
  readonly now: number;
  readonly until: number;
}

/**
 * Chains by id and name, and hints where their tails are. All of it can be wiped and is rebuilt from the store: nothing may rely on it being
 * complete. Several processes may use one registry. Where it cannot answer or keep something now, or was closed, it throws
 * REGISTRY_UNAVAILABLE, REGISTRY_DENIED, REGISTRY_FULL, REGISTRY_READ_ONLY or REGISTRY_UNUSABLE, which are transient and have a `fix`.
 */
export interface Registry {
  /** May answer from memory. A chain that another process put is found; one that another process wiped may still be. */
  findChain(nameOrId: string): Promise<ChainRecord | undefined>;
  /** Durable when it resolves. A name belongs to the record put last with it, because the caller read that record from the store. @throws CHAIN_INVALID */
  putChain(record: ChainRecord): Promise<void>;
  /** Ordered by id. Chains put meanwhile may be missing. */
  chains(): AsyncIterable<ChainRecord>;
  /** A height that the chain had; its tail is there or higher. */
  findHint(chain: string): Promise<number | undefined>;
  /** Only grows: a lower height is dropped. Seen at once here, written later, and lost by a crash: it is a hint. */
  putHint(chain: string, height: number): Promise<void>;
  /**
   * Makes a claim unless one holds that has not ended by `now`; gives the value of the one that holds. Of any number of racing calls, in whatever
   * processes, all are given the value of one of them. It outlives crashes of processes. Unlike all else here claims are in no store: a wipe loses them.
   */
  claim(key: string, value: string, times: ClaimTimes): Promise<string>;
  /** Gives a claim that is there another value; it ends when it would have ended. Does nothing where there is none. */
  replaceClaim(key: string, value: string): Promise<void>;
  /** Tries what all other calls need, rights and room to write included, and leaves no trace. Throws what they would. */
  check(): Promise<void>;
  /** Forgets everything. */
  wipe(): Promise<void>;
  /** Writes what is pending. Repeating it does nothing; other calls fail afterwards, but for a memory registry, which is shared. */
  close(): Promise<void>;
}

/** Where a driver writes what an operator must know; a pino logger fits. */
export interface RegistryLog {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
}
