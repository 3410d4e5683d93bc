/** The baseline of capture: bare fastify, a hash, and one synchronous SQLite commit per turn of the event loop with two rows per request. */
import { createHash, randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import fastify from 'fastify';

const [file = '', port = '0'] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE q (seq INTEGER PRIMARY KEY, id TEXT, meta TEXT, body BLOB)');
const insert = db.prepare('INSERT INTO q (id, meta, body) VALUES (?, ?, ?)');
let waiting: { id: string; meta: string; body: Buffer; document: string; done: () => void }[] = [];

function commit(): void {
  const now = waiting;
  waiting = [];
  db.exec('BEGIN');
  for (const { id, meta, body, document } of now) {
    insert.run(id, meta, body);
    insert.run(id, meta, Buffer.from(document));
  }
  db.exec('COMMIT');
  for (const { done } of now) done();
}

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/append/chain/:chain', async (request, reply) => {
  const body = request.body as Buffer;
  const id = randomUUID();
  const hash = createHash('sha256').update(body).digest('hex');
  const meta = JSON.stringify({
    chain: 'x'.repeat(64),
    createdAt: Date.now(),
    mime: 'application/octet-stream',
    length: body.length,
    crypt: 'sha256',
    hash,
  });
  const document = JSON.stringify({ method: 'POST', path: request.url, headers: request.raw.rawHeaders });
  await new Promise<void>((done) => {
    if (waiting.push({ id, meta, body, document, done }) === 1) setImmediate(commit);
  });
  return reply.code(201).send({ event: id, hash, length: body.length });
});
await app.listen({ host: '127.0.0.1', port: Number(port) });
console.log('listening');
