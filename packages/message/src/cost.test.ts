import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

/** Runs a module in a process of its own: the sandbox of a test slows down every use of a global. */
const run = (source: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '--eval', source], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();

test('1,000 receipts are checked within a millisecond', () => {
  const ms = run(`
    import { groupBody, readGroup } from './forms.ts';
    import { receipt, take } from './fixtures.ts';
    const body = groupBody(Array.from({ length: 1000 }, (_, n) => receipt(n)));
    let best = Infinity;
    for (let i = 0; i < 200; i++) {
      const message = take({ body });
      message.doc();
      const start = performance.now();
      readGroup(message);
      best = Math.min(best, performance.now() - start);
    }
    console.log(best);`);
  expect(Number(ms)).toBeLessThan(1);
});

test('ajv is loaded by the first read, not by the import', () => {
  const loaded = run(`
    import { createRequire } from 'node:module';
    import { readTail } from './index.ts';
    import { tail, takeJson } from './fixtures.ts';
    const hasAjv = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('/ajv/'));
    const before = hasAjv();
    readTail(takeJson(tail));
    console.log(before, hasAjv());`);
  expect(loaded).toBe('false true');
});
