import { type Block, entryKey, heightOfKey } from '@blockhub/chain';
import { BlockhubError, errorCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import type { Segment } from './linker.ts';
import { ChainReader } from './reader.ts';

export interface ReadBlocksOptions {
  /** First height. Default: 0. */
  from?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((height: number) => void) | undefined;
  /** Called for heights whose block could be read neither from its entry nor from its copy. */
  onUnseen?: OnUnseen | undefined;
}

const PREFETCH = 32;

/** Every readable block, in order, from its copy if the entry is bad; none if there is no entry. */
export async function* readBlocks(store: Store, chain: string, options: ReadBlocksOptions = {}): AsyncGenerator<Block> {
  const { from = 0, signal, onProgress, onUnseen } = options;
  const to = Number.MAX_SAFE_INTEGER - 1;
  const reader = new ChainReader(store, chain, { from, to, prefetch: PREFETCH, thorough: true, checkLinks: true, signal });
  const gaps = new Gaps(chain, from, onUnseen);
  for await (const segment of reader.segments()) {
    signal?.throwIfAborted();
    gaps.note(segment);
    for (const { block } of segment.blocks) {
      gaps.reach(block.height);
      onProgress?.(block.height);
      yield block;
    }
  }
  gaps.end();
}

/** Heights without a block, and why. */
class Gaps {
  readonly #chain: string;
  readonly #onUnseen: OnUnseen | undefined;
  #next: number;
  /** Of heights for which no block was given yet. */
  #reasons: { height: number; error: unknown }[] = [];

  constructor(chain: string, from: number, onUnseen: OnUnseen | undefined) {
    this.#chain = chain;
    this.#next = from;
    this.#onUnseen = onUnseen;
  }

  note({ faults, unchecked }: Segment): void {
    for (const { height = 0, message } of faults) this.#reasons.push({ height, error: new BlockhubError('CHAIN_DAMAGED', message) });
    for (const one of unchecked) {
      const height = heightOfKey(one.key);
      // A listing may hide any height. A copy needs no report, because its entry has one.
      if (height !== undefined) this.#reasons.push({ height, error: one.error });
      else if (!one.key.startsWith('blocks/')) this.#onUnseen?.(one.key, one.error);
    }
  }

  reach(height: number): void {
    if (height > this.#next) this.#report(this.#next, height - 1);
    this.#next = Math.max(this.#next, height + 1);
    if (this.#reasons.length > 0) this.#reasons = this.#reasons.filter((one) => one.height > height);
  }

  end(): void {
    const heights = this.#reasons.map(({ height }) => height).filter((height) => height >= this.#next);
    if (heights.length > 0) this.#report(this.#next, Math.max(...heights));
  }

  #report(from: number, to: number): void {
    const reason = this.#reasons.find(({ height }) => height >= from && height <= to);
    const heights = from === to ? `height ${from} has` : `heights ${from} to ${to} have`;
    const key = entryKey(this.#chain, from);
    const why = reason ? `: ${withoutKey(reason.error, key)}` : '';
    this.#onUnseen?.(key, new BlockhubError('CHAIN_DAMAGED', `${heights} no block that can be read${why}`, { cause: reason?.error }));
  }
}

/** The message of a fault begins with its key, which the report repeats. */
function withoutKey(error: unknown, key: string): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith(`${key} `)) return `it ${message.slice(key.length + 1)}`;
  return `${errorCode(error)}: ${message}`;
}
