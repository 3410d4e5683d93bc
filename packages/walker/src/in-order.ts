interface Slot<O> {
  state: 'running' | 'done' | 'failed';
  value?: O;
  error?: unknown;
}

export interface InOrderOptions {
  /** Maximum number of items in flight or not yet taken. Called before each start. */
  width: () => number;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `run` for every item of `next` until it gives undefined, several at a time. Gives results in
 * the order of items, in batches of those that have arrived. Starts nothing while the caller does
 * not ask. Throws the signal's reason.
 */
export async function* inOrder<I, O>(
  next: () => I | undefined,
  run: (item: I) => Promise<O>,
  { width, signal }: InOrderOptions,
): AsyncGenerator<O[]> {
  let slots: Slot<O>[] = [];
  let wake = (): void => {};
  const onAbort = (): void => wake();
  const start = (item: I): void => {
    const slot: Slot<O> = { state: 'running' };
    slots.push(slot);
    const settle = (state: 'done' | 'failed'): void => {
      slot.state = state;
      if (slots[0] === slot) wake();
    };
    run(item).then(
      (value) => {
        slot.value = value;
        settle('done');
      },
      (error: unknown) => {
        slot.error = error;
        settle('failed');
      },
    );
  };
  signal?.addEventListener('abort', onAbort);
  try {
    for (let more = true; ; ) {
      while (more && slots.length < width()) {
        const item = next();
        if (item === undefined) more = false;
        else start(item);
      }
      const first = slots[0];
      if (!first) return;
      if (first.state === 'running' && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      signal?.throwIfAborted();
      const arrived = takeDone(slots);
      slots = slots.slice(arrived.length);
      if (arrived.length > 0) yield arrived;
      else if (slots[0]?.state === 'failed') throw slots[0].error;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function takeDone<O>(slots: readonly Slot<O>[]): O[] {
  const done: O[] = [];
  for (const slot of slots) {
    if (slot.state !== 'done') break;
    done.push(slot.value as O);
  }
  return done;
}

/** Runs `run` on `width` items at a time, in order. With 1, a result comes before the next item. */
export async function* pipeline<I, O>(
  source: Iterable<I> | AsyncIterable<I>,
  width: number,
  run: (item: I) => Promise<O>,
): AsyncGenerator<O> {
  const pending: Promise<O>[] = [];
  for await (const item of source) {
    const result = run(item);
    // It is awaited later; until then a failure must not count as unhandled.
    result.catch(() => {});
    pending.push(result);
    if (pending.length >= width) yield await (pending.shift() as Promise<O>);
  }
  for (let result = pending.shift(); result; result = pending.shift()) yield await result;
}
