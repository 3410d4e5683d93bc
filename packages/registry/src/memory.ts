import { checkHeight, checkRecord } from './check.ts';
import type { ChainRecord, ClaimTimes, Registry } from './registry.ts';

/** A registry in memory. Several users share the object, so `close` does nothing. */
export class MemoryRegistry implements Registry {
  readonly #chains = new Map<string, ChainRecord>();
  /** Name → id. */
  readonly #names = new Map<string, string>();
  readonly #hints = new Map<string, number>();
  readonly #claims = new Map<string, { readonly value: string; readonly until: number }>();

  findChain(nameOrId: string): Promise<ChainRecord | undefined> {
    return Promise.resolve(this.#chains.get(this.#names.get(nameOrId) ?? nameOrId));
  }

  async putChain(record: ChainRecord): Promise<void> {
    const kept = checkRecord(record);
    const { name: before } = this.#chains.get(kept.id) ?? {};
    if (before !== undefined) this.#names.delete(before);
    if (kept.name !== undefined) {
      const { name: _, ...former } = this.#chains.get(this.#names.get(kept.name) ?? '') ?? {};
      if ('id' in former) this.#chains.set(former.id, former);
      this.#names.set(kept.name, kept.id);
    }
    this.#chains.set(kept.id, kept);
  }

  async *chains(): AsyncIterable<ChainRecord> {
    for (const id of [...this.#chains.keys()].sort()) {
      const record = this.#chains.get(id);
      if (record) yield record;
    }
  }

  findHint(chain: string): Promise<number | undefined> {
    return Promise.resolve(this.#hints.get(chain));
  }

  async putHint(chain: string, height: number): Promise<void> {
    checkHeight(height);
    this.#hints.set(chain, Math.max(height, this.#hints.get(chain) ?? 0));
  }

  async claim(key: string, value: string, { now, until }: ClaimTimes): Promise<string> {
    for (const [old, claim] of this.#claims) {
      if (claim.until > now) break;
      this.#claims.delete(old);
    }
    const there = this.#claims.get(key);
    if (there && there.until > now) return there.value;
    this.#claims.delete(key);
    this.#claims.set(key, { value, until });
    return value;
  }

  async replaceClaim(key: string, value: string): Promise<void> {
    const there = this.#claims.get(key);
    if (there) this.#claims.set(key, { value, until: there.until });
  }

  async check(): Promise<void> {
    // It always works.
  }

  async wipe(): Promise<void> {
    this.#claims.clear();
    this.#chains.clear();
    this.#names.clear();
    this.#hints.clear();
  }

  async close(): Promise<void> {}
}
