/** Counts messages from the call of `publish` until its promise settles. */
export class Unconfirmed {
  count = 0;

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
