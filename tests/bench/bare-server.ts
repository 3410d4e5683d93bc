import { createHash, randomUUID } from 'node:crypto';
import fastify from 'fastify';

/** What a request becomes: the body and its request document, each an event. */
export interface Taken {
  readonly ids: readonly [body: string, document: string];
  readonly meta: Readonly<Record<string, string | number>>;
  readonly body: Buffer;
  readonly document: Buffer;
}

/**
 * The least code that takes requests as capture does: bare fastify and a hash. The answer is 201
 * when `keep` resolves.
 */
export async function serveBare(port: number, keep: (taken: Taken) => Promise<unknown>): Promise<void> {
  const app = fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/append/chain/:chain', async (request, reply) => {
    const body = request.body as Buffer;
    const ids = [randomUUID(), randomUUID()] as const;
    const hash = createHash('sha256').update(body).digest('hex');
    const { length } = body;
    const meta = { chain: 'x'.repeat(64), createdAt: Date.now(), mime: 'application/octet-stream', length, crypt: 'sha256', hash };
    const document = Buffer.from(JSON.stringify({ method: 'POST', path: request.url, headers: request.raw.rawHeaders }));
    await keep({ ids, meta, body, document });
    return reply.code(201).send({ event: ids[0], hash, length });
  });
  await app.listen({ host: '127.0.0.1', port });
  console.log('listening');
}
