/** `node packages/message/src/cost.bench.ts`: the cost of checking a group and of a template. */
import { receipt, take } from './fixtures.ts';
import { groupBody } from './forms.ts';
import { template } from './template.ts';
import { readDoc } from './validate.ts';

/** Milliseconds of the best of so many runs. */
function best(runs: number, prepare: () => () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < runs; n++) {
    const run = prepare();
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

const body = groupBody(Array.from({ length: 1000 }, (_, n) => receipt(n)));
const group = best(200, () => {
  const message = take({ body });
  message.doc();
  return () => readDoc(message, 'group');
});
process.stdout.write(`1,000 receipts checked: ${group.toFixed(2)} ms\n`);

const compiled = template('{msg.meta.chain}_chain');
const message = take({ meta: { chain: 'ab'.repeat(32) } });
const rendered = best(50, () => () => {
  for (let n = 0; n < 1000; n++) compiled.queue(message);
});
process.stdout.write(`a template rendered: ${rendered.toFixed(2)} µs\n`);
