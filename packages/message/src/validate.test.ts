import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

/** Runs a module in a process of its own: the sandbox of a test has its own cache of modules. */
const run = (source: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '--eval', source], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();

test('ajv is loaded by the first read, not by the import', () => {
  const loaded = run(`
    import { createRequire } from 'node:module';
    import { readTailWanted } from './index.ts';
    import { CHAIN, takeJson } from './fixtures.ts';
    const hasAjv = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('/ajv/'));
    const before = hasAjv();
    readTailWanted(takeJson({ chain: CHAIN, tailsTo: 'x' }));
    console.log(before, hasAjv());`);
  expect(loaded).toBe('false true');
});
