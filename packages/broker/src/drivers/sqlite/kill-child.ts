import { closeSync, openSync, writeSync } from 'node:fs';
import { openSqliteBroker } from './broker.ts';

/** Publishes and consumes numbered messages until it is killed. Arguments: folder, first number. */
const [folder = '', first = '0'] = process.argv.slice(2);
const broker = await openSqliteBroker(`${folder}/broker.sqlite`);
await broker.declare([
  { name: 'a', kind: 'durable' },
  { name: 'b', kind: 'durable' },
]);
const confirmed = openSync(`${folder}/confirmed`, 'a');
const received = openSync(`${folder}/received`, 'a');
process.on('exit', () => closeSync(confirmed));

let turn = 0;
for (const queue of ['a', 'b']) {
  await broker.consume(queue, { prefetch: 40 }, (delivery) => {
    writeSync(received, `${queue}${delivery.id}\n`);
    const way = turn++ % 7;
    if (way === 0) delivery.retry(turn % 50);
    else if (way === 1) delivery.release();
    else if (way === 2) setTimeout(() => delivery.ack(), 5);
    else delivery.ack();
  });
}

for (let number = Number(first); ; number += 20) {
  const publishes = Array.from({ length: 10 }, (_, at) => [`${number + 2 * at}`, `${number + 2 * at + 1}`] as const).map(
    async ([one, two]) => {
      const body = Buffer.alloc(300, one);
      // Both or none: the checker looks for a pair that was torn.
      await broker.publish([
        { queue: 'a', id: one, meta: { pair: one }, body },
        { queue: 'b', id: two, meta: { pair: one }, body },
      ]);
      writeSync(confirmed, `a${one}\nb${two}\n`);
    },
  );
  await Promise.all(publishes);
}
