import { type Block, entryKey, heightOfKey } from '@blockhub/chain';
import { BlockhubError, errorCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { ChainReader, type Stretch } from './reader.ts';

export interface ReadBlocksOptions {
  /** First height; default the root. */
  from?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((height: number) => void) | undefined;
  /** Told of heights of which no block could be read, neither from the entry nor from the copy under its id, and why. */
  onUnseen?: OnUnseen | undefined;
}

const PREFETCH = 32;

/**
 * Every block of a chain that can be read, in order, for a search: goes around what is damaged, missing or cannot be read. Where the entry
 * of a height is no good the copy of the block stands in for it. Of a chain without any entry there is nothing.
 */
export async function* readBlocks(store: Store, chain: string, options: ReadBlocksOptions = {}): AsyncGenerator<Block> {
  const { from = 0, signal, onProgress, onUnseen } = options;
  const to = Number.MAX_SAFE_INTEGER - 1;
  const reader = new ChainReader(store, chain, { from, to, prefetch: PREFETCH, thorough: true, next: true, signal });
  const gaps = new Gaps(chain, from, onUnseen);
  for await (const stretch of reader.stretches()) {
    signal?.throwIfAborted();
    gaps.note(stretch);
    for (const { block } of stretch.seen) {
      gaps.reach(block.height);
      onProgress?.(block.height);
      yield block;
    }
  }
  gaps.end();
}

/** Heights without a block, and the reason that was given for each. */
class Gaps {
  readonly #chain: string;
  readonly #onUnseen: OnUnseen | undefined;
  #next: number;
  /** Reasons of heights that no block was given for yet. */
  #reasons: { height: number; error: unknown }[] = [];

  constructor(chain: string, from: number, onUnseen: OnUnseen | undefined) {
    this.#chain = chain;
    this.#next = from;
    this.#onUnseen = onUnseen;
  }

  note({ faults, unchecked }: Stretch): void {
    for (const { height = 0, message } of faults) this.#reasons.push({ height, error: new BlockhubError('CHAIN_DAMAGED', message) });
    for (const one of unchecked) {
      const height = heightOfKey(one.key);
      // A key that is not an entry is a listing, which may hide anything, or a copy, whose entry is reported too.
      if (height !== undefined) this.#reasons.push({ height, error: one.error });
      else if (!one.key.startsWith('blocks/')) this.#onUnseen?.(one.key, one.error);
    }
  }

  /** A block of this height was given. */
  reach(height: number): void {
    if (height > this.#next) this.#tell(this.#next, height - 1);
    this.#next = Math.max(this.#next, height + 1);
    if (this.#reasons.length > 0) this.#reasons = this.#reasons.filter((one) => one.height > height);
  }

  end(): void {
    const heights = this.#reasons.map(({ height }) => height).filter((height) => height >= this.#next);
    if (heights.length > 0) this.#tell(this.#next, Math.max(...heights));
  }

  #tell(from: number, to: number): void {
    const reason = this.#reasons.find(({ height }) => height >= from && height <= to);
    const heights = from === to ? `height ${from} has` : `heights ${from} to ${to} have`;
    const key = entryKey(this.#chain, from);
    const why = reason ? `: ${withoutKey(reason.error, key)}` : '';
    this.#onUnseen?.(key, new BlockhubError('CHAIN_DAMAGED', `${heights} no block that can be read${why}`, { cause: reason?.error }));
  }
}

/** Faults begin with their key, which is said beside the reason anyway. */
function withoutKey(error: unknown, key: string): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith(`${key} `)) return `it ${message.slice(key.length + 1)}`;
  return `${errorCode(error)}: ${message}`;
}
