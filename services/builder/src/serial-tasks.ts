/** Runs the tasks of one key one after the other, and those of different keys at the same time. */
export class SerialTasks {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    // The next task runs even if this one fails; only the caller gets the error.
    const mine = before ? before.then(task, task) : task();
    this.#last.set(key, mine);
    const end = (): void => {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    };
    mine.then(end, end);
    return mine;
  }
}
