/** What a promise gives. Once the signal is aborted nobody waits for it, and the reason of the signal is thrown. */
export const unlessAborted = <T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> =>
  signal === undefined ? promise : Promise.race([promise, whenAborted(signal).then(() => Promise.reject(signal.reason))]);

/** Resolves when the signal is aborted, at once where it is already. */
export const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
