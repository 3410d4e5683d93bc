import { realpathSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { type Cancel, type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { type Lock, takeLock } from '@blockhub/lock';
import { closedBroker } from '../../checks.ts';
import { newConsumer } from '../../dispatcher.ts';
import { StateHolder } from '../../state.ts';
import type {
  Broker,
  BrokerLog,
  BrokerState,
  ConsumeOptions,
  Consumer,
  Delivery,
  Outgoing,
  QueueDeclaration,
  QueueInfo,
  StoredMessage,
} from '../../types.ts';
import { Unconfirmed } from '../../unconfirmed.ts';
import { MemoryQueue } from '../memory/queue.ts';
import { brokerError, type FileOptions, openError, openFile } from './file.ts';
import { LogSync } from './log-sync.ts';
import { DurableQueue } from './queue.ts';
import { Queues } from './queues.ts';
import { Writer } from './writer.ts';

/** How often a process with consumers checks whether another process wrote. */
const REFRESH_MS = 250;
const READ_AGAIN_MS = 500;

export interface SqliteBrokerOptions extends FileOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
}

/**
 * Opens a broker on one SQLite file, which is created if it is missing. One process consumes,
 * because private queues are in memory: in others `consume` alone fails (BROKER_IN_USE) until it
 * closes or ends. BROKER_CORRUPT: damaged. BROKER_FORMAT_UNKNOWN: of another version.
 * BROKER_UNSAFE: without a write-ahead log. DATA_FOLDER_UNUSABLE: it cannot be written.
 */
export async function openSqliteBroker(path: string, options: SqliteBrokerOptions = {}): Promise<Broker> {
  const db = openFile(path, options);
  // The real path, so that there is one lock for the file, whatever links lead to it.
  return new SqliteBroker(realpathSync(path), db, options);
}

class SqliteBroker implements Broker {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #log: BrokerLog | undefined;
  readonly #state = new StateHolder();
  #trouble: BlockhubError | undefined;
  readonly #unconfirmed = new Unconfirmed();
  readonly #writer: Writer;
  readonly #queues: Queues;
  /** Held by the process that consumes. */
  #lock: Lock | undefined;
  #refreshTimer: Cancel | undefined;
  #readAgain: Cancel | undefined;
  /** The file is damaged, so every call fails. */
  #broken: BlockhubError | undefined;
  #closed = false;

  constructor(path: string, db: DatabaseSync, { clock = systemClock, log }: SqliteBrokerOptions) {
    this.#path = path;
    this.#db = db;
    this.#clock = clock;
    this.#log = log;
    this.#writer = new Writer(db, new LogSync(path), clock, {
      error: (cause) => brokerError(path, cause),
      blocked: (error) => this.#block(error),
      written: () => this.#unblock(),
      readFailed: (error) => this.#readFailed(error),
    });
    this.#queues = new Queues(db, clock, this.#writer);
  }

  get state(): BrokerState {
    return this.#state.now;
  }

  get unconfirmed(): number {
    return this.#unconfirmed.count;
  }

  get trouble(): BlockhubError | undefined {
    return this.#broken ?? this.#trouble;
  }

  onState(listener: (state: BrokerState) => void): () => void {
    return this.#state.onChange(listener);
  }

  async declare(queues: readonly QueueDeclaration[]): Promise<void> {
    this.#check();
    this.#queues.declare(queues);
  }

  publish(messages: readonly Outgoing[]): Promise<void> {
    const publishing = new Promise<void>((resolve, reject) => {
      this.#check();
      this.#writer.add({ privatePart: this.#queues.enqueue(messages), resolve, reject });
    });
    return this.#unconfirmed.during(messages, publishing);
  }

  async consume(queue: string, { prefetch }: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer> {
    this.#check();
    const found = this.#queues.get(queue);
    this.#lock ??= lockConsumers(this.#path);
    const consumer = newConsumer(prefetch, onDelivery, (delivery, how, afterMs) => found.settle(delivery, how, afterMs));
    found.consume(consumer);
    this.#refreshTimer ??= this.#clock.after(REFRESH_MS, () => this.#refresh());
    return { cancel: async () => found.cancel(consumer) };
  }

  async queues(names?: readonly string[]): Promise<QueueInfo[]> {
    const all = this.#read(() => [...this.#queues].map((queue) => queue.info()));
    // Without the lock, another process may consume, and its counts are unknown here.
    const infos = this.#lock ? all : all.map((info): QueueInfo => ({ ...info, unacked: undefined, consumers: undefined }));
    return infos.filter(({ name }) => !names || names.includes(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async *browse(name: string): AsyncGenerator<StoredMessage> {
    const queue = this.#read(() => this.#queues.get(name));
    if (queue instanceof MemoryQueue) return yield* queue.stored();
    const last = this.#read(() => queue.lastSeq());
    for (let seq = 0; seq < last; ) {
      const page = this.#read(() => queue.page(seq, last));
      yield* page.messages;
      seq = page.seq;
    }
  }

  async take(name: string, seqs: readonly string[], replacement: readonly Outgoing[] = []): Promise<void> {
    const queue = this.#read(() => this.#queues.get(name));
    if (queue instanceof MemoryQueue) {
      queue.checkStored(seqs);
      await this.publish(replacement);
      queue.take(seqs);
      return;
    }
    const privatePart = this.#queues.enqueue(replacement);
    try {
      this.#writer.commit(
        () => queue.take(seqs),
        (taken) => queue.taken(seqs, taken),
      );
    } catch (error) {
      privatePart.cancel();
      throw error;
    }
    privatePart.deliver();
    await this.#writer.durable();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#refreshTimer?.();
    this.#readAgain?.();
    await this.#writer.close();
    for (const queue of this.#queues) queue.close();
    this.#db.close();
    this.#state.set('closed');
    this.#lock?.release();
  }

  #check(): void {
    if (this.#closed) throw closedBroker();
    if (this.#broken) throw this.#broken;
  }

  /** Reads from the file and the queues, after writing everything that is collected. */
  #read<T>(read: () => T): T {
    this.#check();
    this.#writer.flush();
    try {
      this.#queues.refresh();
      return read();
    } catch (error) {
      const known = brokerError(this.#path, error);
      if (known.code === 'BROKER_CORRUPT') this.#break(known);
      throw known;
    }
  }

  #refresh(): void {
    this.#refreshTimer = this.#clock.after(REFRESH_MS, () => this.#refresh());
    if (this.#broken) return;
    try {
      this.#queues.refresh();
    } catch (error) {
      this.#readFailed(error);
    }
  }

  #readFailed(cause: unknown): void {
    const error = brokerError(this.#path, cause);
    if (error.code === 'BROKER_CORRUPT') {
      this.#break(error);
      return;
    }
    this.#log?.warn({ err: error }, 'broker file cannot be read');
    this.#readAgain ??= this.#clock.after(READ_AGAIN_MS, () => {
      this.#readAgain = undefined;
      for (const queue of this.#queues) if (queue instanceof DurableQueue) queue.resume();
    });
  }

  #block(error: BlockhubError): void {
    if (error.code === 'BROKER_CORRUPT') {
      this.#break(error);
      return;
    }
    this.#trouble = error;
    if (this.state === 'connected') this.#log?.warn({ err: error, fix: error.fix }, 'broker file cannot be written');
    this.#state.set('blocked');
  }

  #unblock(): void {
    this.#trouble = undefined;
    if (this.state !== 'blocked') return;
    this.#log?.info({ path: this.#path }, 'broker file can be written again');
    this.#state.set('connected');
  }

  #break(error: BlockhubError): void {
    if (this.#broken) return;
    this.#broken = error;
    this.#log?.error({ err: error }, 'broker file is damaged');
    this.#state.set('disconnected');
  }
}

function lockConsumers(path: string): Lock {
  try {
    return takeLock(path, (pid, cause) => {
      const options = { cause, details: { path, pid } };
      return new BlockhubError('BROKER_IN_USE', `process ${pid} consumes from ${path}`, options);
    });
  } catch (error) {
    throw openError(path, error);
  }
}
