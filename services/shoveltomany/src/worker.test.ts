import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

let shovel: TestWorker;
afterEach(() => shovel.stop());

const put = async (...messages: Parameters<TestWorker['publish']>[1][]): Promise<void> => {
  await shovel.publish('blocks.committed', ...messages);
  await shovel.run(0);
};

const names = async (): Promise<string[]> => (await shovel.broker.queues()).filter(({ ready }) => ready > 0).map(({ name }) => name);

describe('shoveltomany', () => {
  test('without followers the message is done', async () => {
    shovel = await testWorker(worker);
    await put({ meta: { chain: 'a' } });
    expect(await names()).toEqual([]);
  });

  test('passes messages on as they are, to queues that it declares', async () => {
    shovel = await testWorker(worker, { settings: { to: ['{msg.meta.chain}_chain', 'all', 'all'] } });
    await put({ id: '1', meta: { chain: 'a', x: 1 }, body: 'body' }, { id: '2', meta: { chain: 'b' }, body: '' });
    expect(await names()).toEqual(['a_chain', 'all', 'b_chain']);
    const [message] = await shovel.queue('a_chain');
    expect(message).toMatchObject({ id: '1', meta: { chain: 'a', x: 1 } });
    expect(message?.body.toString()).toBe('body');
    expect((await shovel.queue('all')).map(({ id }) => id)).toEqual(['1', '2']);
  });

  test('a queue that exists in another form is used as it is', async () => {
    shovel = await testWorker(worker, { settings: { to: ['single'] }, queues: [{ name: 'single', kind: 'durable', singleActive: true }] });
    await put({ id: '1' });
    expect(await names()).toEqual(['single']);
  });

  test('refused: what has no queue is not lost', async () => {
    shovel = await testWorker(worker, { settings: { to: ['{msg.meta.chain}_chain'], missing: 'refuse' }, queues: ['there_chain'] });
    await put({ meta: { chain: 'there' } }, { meta: { chain: 'nowhere' }, body: 'kept' }, { meta: {} });
    expect(await names()).toEqual(['dead-letter', 'there_chain']);
    const letters = await shovel.queue('dead-letter');
    expect(letters.map(({ meta }) => meta['dead-code']).sort()).toEqual(['BROKER_QUEUE_MISSING', 'TEMPLATE_FIELD_MISSING']);
  });

  test('the predicate decides which messages pass', async () => {
    shovel = await testWorker(worker, { settings: { to: ['out'], when: 'msg.meta.chain == "a" and not exists(msg.doc.skip)' } });
    await put(
      { id: '1', meta: { chain: 'a' }, body: {} },
      { id: '2', meta: { chain: 'b' }, body: {} },
      { id: '3', meta: { chain: 'a' }, body: { skip: 1 } },
    );
    expect((await shovel.queue('out')).map(({ id }) => id)).toEqual(['1']);
  });

  test('a wrong predicate ends the start', async () => {
    shovel = await testWorker(worker);
    await expect(testWorker(worker, { settings: { when: 'oops' } })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  });
});
