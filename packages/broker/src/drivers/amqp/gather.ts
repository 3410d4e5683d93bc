import type { Writable } from 'node:stream';

/**
 * From now on what is written in one turn leaves together. amqplib hands on each message by itself, and each would be a system call here and a
 * packet that wakes the broker.
 */
export function gather(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let gathering = false;
  stream.write = (...args: unknown[]): boolean => {
    if (!gathering) {
      gathering = true;
      stream.cork();
      process.nextTick(() => {
        gathering = false;
        stream.uncork();
      });
    }
    return write(...args);
  };
}
