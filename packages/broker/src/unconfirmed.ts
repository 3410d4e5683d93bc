/** Counts messages from their publish until the caller knows what became of them. */
export class Unconfirmed {
  count = 0;

  /** Gives the promise back as it is. */
  during(messages: { readonly length: number }, publishing: Promise<void>): Promise<void> {
    const { length } = messages;
    this.count += length;
    const end = (): void => {
      this.count -= length;
    };
    publishing.then(end, end);
    return publishing;
  }
}
