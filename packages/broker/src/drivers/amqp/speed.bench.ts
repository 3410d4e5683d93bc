/** `node packages/broker/src/drivers/amqp/speed.bench.ts URL`: the driver against bare amqplib. */
import { type ConsumeMessage, connect } from 'amqplib';
import type { Broker } from '../../types.ts';
import { openAmqpBroker } from './broker.ts';
import { argumentsOf } from './topology.ts';
import { parseAmqpUrl } from './url.ts';

const MESSAGES = 30_000;
const WINDOW = 500;
const PREFETCH = 300;
const ROUNDS = 4;
const body = Buffer.alloc(500, 'x');
const meta = {
  chain: 'ab'.repeat(32),
  createdAt: 1_700_000_000_000,
  mime: 'application/json',
  length: 500,
  crypt: 'sha256',
  hash: 'cd'.repeat(32),
};
const queue = 'blockhub-bench';

interface Side {
  publish(from: number, to: number): Promise<void>;
  consume(count: number): Promise<void>;
}

interface Speed {
  readonly perSecond: number;
  /** Of this process, per message; other programs on the machine change it less than the rate. */
  readonly cpuMicros: number;
}

async function measure(run: () => Promise<void>): Promise<Speed> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: MESSAGES / ((performance.now() - start) / 1000), cpuMicros: (user + system) / MESSAGES };
}

/** As single publishes of many handlers: one after the other in each of WINDOW lanes. */
const publishAll = async (side: Side): Promise<void> => {
  const lane = async (first: number): Promise<void> => {
    for (let n = first; n < MESSAGES; n += WINDOW) await side.publish(n, n + 1);
  };
  await Promise.all(Array.from({ length: WINDOW }, (_, first) => lane(first)));
};

const driver = (broker: Broker): Side => ({
  publish: (from, to) => broker.publish(Array.from({ length: to - from }, (_, at) => ({ queue, id: `event-${from + at}`, meta, body }))),
  async consume(count) {
    const { promise, resolve } = Promise.withResolvers<void>();
    let left = count;
    const consumer = await broker.consume(queue, { prefetch: PREFETCH }, (delivery) => {
      delivery.ack();
      if (--left === 0) resolve();
    });
    await promise;
    await consumer.cancel();
  },
});

async function bare(url: string): Promise<Side & { close(): Promise<void> }> {
  const [publishing, consuming] = [await connect(url, { noDelay: true }), await connect(url, { noDelay: true })];
  const out = await publishing.createConfirmChannel();
  const { promise: returned, reject } = Promise.withResolvers<never>();
  returned.catch(() => {});
  out.on('return', reject);
  const publishOne = (n: number): Promise<void> =>
    new Promise((resolve, fail) => {
      const options = { persistent: true, mandatory: true, messageId: `event-${n}`, headers: meta };
      out.publish('', queue, body, options, (error) => (error ? fail(error) : resolve()));
    });
  return {
    publish: (from) => publishOne(from),
    async consume(count) {
      const channel = await consuming.createChannel();
      await channel.prefetch(PREFETCH);
      const { promise, resolve } = Promise.withResolvers<void>();
      let left = count;
      await channel.consume(queue, (message) => {
        channel.ack(message as ConsumeMessage);
        if (--left === 0) resolve();
      });
      await promise;
      await channel.close();
    },
    close: async () => {
      await publishing.close();
      await consuming.close();
    },
  };
}

const url = process.argv[2] ?? 'amqp://guest:guest@127.0.0.1:5672';
const model = await connect(url);
const channel = await model.createChannel();
await channel.deleteQueue(queue);
await channel.assertQueue(queue, { durable: true, arguments: argumentsOf({ name: queue, kind: 'durable' }) });

const broker = await openAmqpBroker(parseAmqpUrl(new URL(url)));
const plain = await bare(url);
const best: Record<string, Speed> = {};
const keepBest = (name: string, found: Speed): void => {
  const { perSecond, cpuMicros } = best[name] ?? found;
  best[name] = { perSecond: Math.max(perSecond, found.perSecond), cpuMicros: Math.min(cpuMicros, found.cpuMicros) };
};
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, side] of [['bare', plain] as const, ['driver', driver(broker)] as const]) {
    keepBest(`${name} publish`, await measure(() => publishAll(side)));
    keepBest(`${name} consume`, await measure(() => side.consume(MESSAGES)));
  }
}
const textOf = ({ perSecond, cpuMicros }: Speed): string => `${Math.round(perSecond)}/s, ${cpuMicros.toFixed(1)} µs CPU each`;
for (const what of ['publish', 'consume']) {
  const [ours, theirs] = [best[`driver ${what}`] as Speed, best[`bare ${what}`] as Speed];
  const ratio = (ours.perSecond / theirs.perSecond).toFixed(2);
  process.stdout.write(`${what}: ${textOf(ours)}; amqplib alone ${textOf(theirs)}; ratio of rates ${ratio}\n`);
}
await broker.close();
await plain.close();
await channel.deleteQueue(queue);
await model.close();
