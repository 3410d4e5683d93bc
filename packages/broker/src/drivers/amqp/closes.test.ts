import { rabbitmq } from '@blockhub/test-servers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { code, collect, eventually, numbered, outgoing } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';

interface Line {
  readonly text: string;
  readonly [fact: string]: unknown;
}

function keepLines() {
  const lines: Line[] = [];
  const write = (facts: object, text: string): void => void lines.push({ ...facts, text });
  return { lines, log: { debug: write, info: write, warn: write, error: write } };
}

await onRabbit(
  'reasons of RabbitMQ for closing',
  (server) => {
    let bench: Bench;
    beforeEach(async () => {
      bench = await new Bench(server).open();
    });
    afterEach(() => bench.close());

    const { ctl } = server;
    (ctl ? test : test.skip)(
      `a message that is held for too long is logged once with the setting to change, and comes again${ctl ? '' : ' (skipped: the test cannot set up this server)'}`,
      async () => {
        const set = async (name: string, value: string): Promise<unknown> =>
          ctl?.('eval', `application:set_env(rabbit, ${name}, ${value}).`);
        await set('consumer_timeout', '100');
        await set('channel_tick_interval', '200');
        try {
          const { lines, log } = keepLines();
          const broker = await bench.connect('', { log });
          await broker.declare([{ name: 'a', kind: 'durable' }]);
          const a = await collect(broker, 'a', 10);
          await broker.publish(numbered('a', 1, 3));
          await eventually(() => expect(a.ids().slice(3).sort()).toEqual(['1', '2', '3']));
          // Older servers close the channel with 406, newer ones cancel the consumer without a
          // reason.
          const told = lines.filter(({ fix }) => /consumer_timeout/.test(String(fix)));
          expect(told).toEqual([
            expect.objectContaining({
              queue: 'a',
              text: expect.stringMatching(/^(?:broker closed a channel|consumer cancelled by the broker)$/),
            }),
          ]);
          if (told[0]?.text === 'broker closed a channel')
            expect(told[0]).toMatchObject({ reply: 406, reason: expect.stringMatching(/timed out/) });
        } finally {
          await set('consumer_timeout', '1800000');
          await set('channel_tick_interval', '60000');
        }
      },
    );

    (ctl ? test : test.skip)('a missing right is in the error of the publish and in the log', async () => {
      const { lines, log } = keepLines();
      const broker = await bench.connect('', { log });
      await broker.declare([{ name: 'a', kind: 'durable' }]);
      await broker.publish([outgoing('a', '1')]);
      await ctl?.('set_permissions', '-p', bench.vhost, 'guest', '.*', '^nothing$', '.*');
      // RabbitMQ caches the rights of a channel for a while.
      bench.proxyOf(broker).cut();
      await eventually(async () => {
        const error = await broker.publish([outgoing('a', '2')]).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: 'BROKER_UNAVAILABLE',
          message: expect.stringMatching(/403: ACCESS_REFUSED/),
          fix: expect.stringMatching(/set_permissions/),
        });
      });
      expect(lines).toContainEqual(
        expect.objectContaining({ text: 'broker closed a channel', reply: 403, fix: expect.stringMatching(/set_permissions/) }),
      );
      await ctl?.('set_permissions', '-p', bench.vhost, 'guest', '.*', '.*', '.*');
      await eventually(() => broker.publish([outgoing('a', '3')]));
    });

    test('a connection that an operator closed is in the log and in broker.trouble', async () => {
      const { lines, log } = keepLines();
      const broker = await bench.connect('', { log });
      expect(broker.trouble).toBeUndefined();
      const names = async (): Promise<string[]> => {
        const all = (await bench.ask('GET', `vhosts/${bench.vhost}/connections`)) as { name: string }[];
        return all.map(({ name }) => name);
      };
      await eventually(async () => expect((await names()).length).toBe(2));
      const troubles: unknown[] = [];
      broker.onState(() => troubles.push(broker.trouble));
      for (const name of await names()) await bench.ask('DELETE', `connections/${encodeURIComponent(name)}`);
      await eventually(() => expect(troubles.length).toBeGreaterThan(0));
      expect(troubles[0]).toMatchObject({ code: 'BROKER_UNAVAILABLE', fix: expect.stringMatching(/operator or a shutdown/) });
      expect(lines).toContainEqual(
        expect.objectContaining({ text: 'broker connection lost', reply: 320, reason: expect.stringMatching(/^CONNECTION_FORCED/) }),
      );
      await eventually(() => expect([broker.state, broker.trouble]).toEqual(['connected', undefined]));
    });

    test('a missing virtual host is logged with a fix', async () => {
      const { lines, log } = keepLines();
      await bench.ask('DELETE', `vhosts/${bench.vhost}`);
      const broker = await bench.connect('', { log });
      expect(broker.state).toBe('disconnected');
      expect(broker.trouble).toMatchObject({ code: 'BROKER_UNAVAILABLE', fix: expect.stringMatching(/add_vhost/) });
      await expect(broker.publish([outgoing('a', '1')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
      expect(lines).toContainEqual(expect.objectContaining({ text: 'broker cannot be reached', fix: expect.stringMatching(/add_vhost/) }));
      await bench.ask('PUT', `vhosts/${bench.vhost}`);
      await eventually(() => expect(broker.state).toBe('connected'));
    });
  },
  rabbitmq,
);
