/** The baseline of capture on RabbitMQ: bare fastify, a hash, and two messages published with confirm and mandatory by plain amqplib. */
import { createHash, randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import fastify from 'fastify';

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

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/append/chain/:chain', async (request, reply) => {
  const body = request.body as Buffer;
  const [id, about] = [randomUUID(), randomUUID()];
  const hash = createHash('sha256').update(body).digest('hex');
  const meta = {
    chain: 'x'.repeat(64),
    createdAt: Date.now(),
    mime: 'application/octet-stream',
    length: body.length,
    crypt: 'sha256',
    hash,
  };
  const document = JSON.stringify({ method: 'POST', path: request.url, headers: request.raw.rawHeaders });
  await Promise.all([publish(id, meta, body), publish(about, meta, Buffer.from(document))]);
  return reply.code(201).send({ event: id, hash, length: body.length });
});
await app.listen({ host: '127.0.0.1', port: Number(port) });
console.log('listening');
