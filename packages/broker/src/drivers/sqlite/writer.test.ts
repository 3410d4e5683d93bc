import { DatabaseSync } from 'node:sqlite';
import { VirtualClock } from '@blockhub/clock';
import { describe, expect, test } from '@jest/globals';
import { brokerError } from './file.ts';
import { Writer } from './writer.ts';

/** A disk whose writes end when the test resolves them. */
class SlowLog {
  syncs: PromiseWithResolvers<void>[] = [];
  busy = false;

  sync(): Promise<void> {
    const sync = Promise.withResolvers<void>();
    this.syncs.push(sync);
    this.busy = true;
    return sync.promise.finally(() => {
      this.busy = false;
    });
  }

  async close(): Promise<void> {}
}

function start() {
  const told: string[] = [];
  const log = new SlowLog();
  const clock = new VirtualClock();
  const db = new DatabaseSync(':memory:');
  const writer = new Writer(db, log, clock, {
    error: (cause) => brokerError('file', cause),
    blocked: ({ code }) => told.push(`blocked ${code}`),
    written: () => told.push('written'),
    readFailed: () => told.push('failed'),
  });
  const publish = (name: string): void =>
    writer.add({
      privatePart: { deliver: () => told.push(`${name} after`), cancel: () => {} },
      resolve: () => told.push(`${name} confirmed`),
      reject: ({ code }) => told.push(`${name} ${code}`),
    });
  return { told, log, clock, db, writer, publish };
}

// A kill cannot show this: what is written but not synced is lost with the power only.
describe('the writer and the disk', () => {
  test('confirms nothing before the log is synced', async () => {
    const { told, log, publish } = start();
    publish('one');
    await VirtualClock.settle();
    await VirtualClock.settle();
    expect([log.syncs.length, told]).toEqual([1, []]);
    log.syncs[0]?.resolve();
    await VirtualClock.settle();
    expect(told).toEqual(['written', 'one after', 'one confirmed']);
  });

  test('what comes during a sync shares the next one and is not confirmed by the first', async () => {
    const { told, log, publish } = start();
    publish('one');
    await VirtualClock.settle();
    for (const name of ['two', 'three', 'four']) {
      publish(name);
      await VirtualClock.settle();
    }
    expect(log.syncs.length).toBe(1);
    log.syncs[0]?.resolve();
    await VirtualClock.settle();
    await VirtualClock.settle();
    expect([log.syncs.length, told.filter((text) => text.endsWith('confirmed'))]).toEqual([2, ['one confirmed']]);
    log.syncs[1]?.resolve();
    await VirtualClock.settle();
    expect(told.filter((text) => text.endsWith('confirmed'))).toEqual(['one', 'two', 'three', 'four'].map((name) => `${name} confirmed`));
  });

  test('a sync that fails leaves the publish unknown', async () => {
    const { told, log, publish } = start();
    publish('one');
    await VirtualClock.settle();
    log.syncs[0]?.reject(new Error('EIO'));
    await VirtualClock.settle();
    expect(told).toEqual(['blocked BROKER_UNAVAILABLE', 'one BROKER_UNAVAILABLE']);
  });

  test('a sync that fails after close is not tried again without end', async () => {
    const { told, log, clock, db, writer, publish } = start();
    publish('one');
    await writer.close();
    db.close();
    log.syncs[0]?.reject(new Error('EIO'));
    await VirtualClock.settle();
    expect(told.at(-1)).toBe('one BROKER_UNAVAILABLE');
    expect(clock.runNext()).toBe(false);
  });
});

test('after a sync that failed nothing is confirmed before the log was copied and begun anew', async () => {
  const told: string[] = [];
  const db = new DatabaseSync(':memory:');
  let reader = true;
  const prepare = db.prepare.bind(db);
  Object.assign(db, {
    prepare: (sql: string) => (sql.includes('wal_checkpoint(TRUNCATE)') ? { get: () => ({ busy: reader ? 1 : 0 }) } : prepare(sql)),
  });
  const answers = [Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))];
  const log = { busy: false, sync: async () => answers.pop(), close: async () => {} };
  const writer = new Writer(db, log, new VirtualClock(), {
    error: (cause) => brokerError('file', cause),
    blocked: () => {},
    written: () => {},
    readFailed: () => {},
  });
  const publish = async (name: string): Promise<void> => {
    writer.add({
      privatePart: { deliver: () => {}, cancel: () => {} },
      resolve: () => told.push(`${name} confirmed`),
      reject: ({ code }) => told.push(`${name} ${code}`),
    });
    await VirtualClock.settle();
    await VirtualClock.settle();
  };
  await publish('one');
  await publish('two');
  reader = false;
  await publish('three');
  expect(told).toEqual(['one BROKER_UNAVAILABLE', 'two BROKER_UNAVAILABLE', 'three confirmed']);
});
