/** Facts of a chain that are known without reading it. */
export interface ChainRecord {
  readonly id: string;
  readonly name?: string;
  readonly crypt: 'sha256' | 'md5';
  readonly settings: { readonly requests?: boolean };
  /** Of the root, in milliseconds since 1970. */
  readonly time: number;
}

/** When a claim is made, and when it ends; milliseconds since 1970 by the caller's clock. */
export interface ClaimTimes {
  readonly now: number;
  readonly until: number;
}

/**
 * Chains by id and name, hints of their heights, and claims. Chains and hints can be wiped and are
 * rebuilt from the store, so no code may rely on them being complete. Several processes may use one
 * registry. If it cannot answer or keep something now, or was closed, it throws
 * REGISTRY_UNAVAILABLE, REGISTRY_DENIED, REGISTRY_FULL, REGISTRY_READ_ONLY or REGISTRY_UNUSABLE,
 * which are transient and have a `fix`.
 */
export interface Registry {
  /** Finds a chain that another process put. May still find one that another process wiped. */
  findChain(nameOrId: string): Promise<ChainRecord | undefined>;
  /**
   * Durable when it resolves. A name belongs to the record that was put last with it, because the
   * caller read that record from the store. @throws CHAIN_INVALID
   */
  putChain(record: ChainRecord): Promise<void>;
  /** Ordered by id. Chains put meanwhile may be missing. */
  chains(): AsyncIterable<ChainRecord>;
  /** A height that the chain had; its tail is there or higher. */
  findHint(chain: string): Promise<number | undefined>;
  /** A lower height is ignored. Visible here at once, written later, and lost by a crash. */
  putHint(chain: string, height: number): Promise<void>;
  /**
   * Makes a claim unless one exists that has not ended by `now`. Gives the value of the claim that
   * exists then. Of racing calls, in any processes, all get the value of one. A claim survives
   * crashes of processes. Claims are not in the store, so a wipe loses them.
   */
  claim(key: string, value: string, times: ClaimTimes): Promise<string>;
  /** Changes the value of a claim; its end stays. Does nothing if there is no claim. */
  replaceClaim(key: string, value: string): Promise<void>;
  /** Tries all that other calls need, with rights and space. Leaves no trace. Throws as they do. */
  check(): Promise<void>;
  wipe(): Promise<void>;
  /**
   * Writes what is pending. A second call does nothing. Other calls fail afterwards, except on a
   * memory registry, which is shared.
   */
  close(): Promise<void>;
}

/** For what an operator must know. A pino logger fits. */
export interface RegistryLog {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
}

export interface DriverOptions {
  /** For Redis. It is never in the URL. */
  readonly password?: string | undefined;
  readonly log?: RegistryLog | undefined;
}
