/**
 * The baseline of capture: a bare server, and one synchronous SQLite commit of two rows per request
 * in each turn of the event loop.
 */
import { DatabaseSync } from 'node:sqlite';
import { serveBare, type Taken } from './bare-server.ts';

const [file = '', port = '0'] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE q (seq INTEGER PRIMARY KEY, id TEXT, meta TEXT, body BLOB)');
const insert = db.prepare('INSERT INTO q (id, meta, body) VALUES (?, ?, ?)');
let waiting: { taken: Taken; done: () => void }[] = [];

function commit(): void {
  const now = waiting;
  waiting = [];
  db.exec('BEGIN');
  for (const { taken } of now) {
    const meta = JSON.stringify(taken.meta);
    insert.run(taken.ids[0], meta, taken.body);
    insert.run(taken.ids[1], meta, taken.document);
  }
  db.exec('COMMIT');
  for (const { done } of now) done();
}

await serveBare(Number(port), (taken) => new Promise<void>((done) => waiting.push({ taken, done }) === 1 && setImmediate(commit)));
