/**
 * The baseline of capture on RabbitMQ: a bare server that publishes two messages per request by
 * plain amqplib, with confirm and mandatory.
 */
import { connect } from 'amqplib';
import { serveBare } from './bare-server.ts';

const [url = '', port = '0'] = process.argv.slice(2);
const queue = 'bench-bare';
const model = await connect(url, { noDelay: true });
const channel = await model.createConfirmChannel();
channel.on('return', () => process.exit(1));
await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' } });

const publish = (messageId: string, headers: object, body: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const options = { messageId, headers, mandatory: true, persistent: true };
    channel.publish('', queue, body, options, (error) => (error ? reject(error) : resolve()));
  });

await serveBare(Number(port), ({ ids: [id, about], meta, body, document }) =>
  Promise.all([publish(id, meta, body), publish(about, meta, document)]),
);
