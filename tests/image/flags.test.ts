import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readNodeStart } from './flags.ts';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const { environment, flags } = readNodeStart();

test('the image starts Node as the first line of the command does', () => {
  const dockerfile = read('docker/Dockerfile');
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(entrypoint)).toEqual(['node', ...flags, '/app/packages/cli/src/main.js']);
  const [, variables = ''] = /^ENV (.*)$/m.exec(dockerfile) ?? [];
  expect(variables.split(' ')).toEqual(expect.arrayContaining([...environment]));
});

test('`pnpm blockhub` runs the command by its first line', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { blockhub: string } };
  expect(scripts.blockhub).toBe('packages/cli/src/main.ts');
});

test('the page for who starts it without the image says so, and why', () => {
  const page = read('docs/distributed.md');
  const [, variables = '', said = ''] = /^(.*) node (.*) \S+\/packages\/cli\/src\/main\.js run /m.exec(page) ?? [];
  expect(said.split(' ')).toEqual(flags);
  expect(variables.split(' ')).toEqual(expect.arrayContaining([...environment]));
  const reasons = [...page.matchAll(/^\| `(--[\w-]+=\d+|[A-Z_]+(?:=\d+)?)` \| \S/gm)].map(([, what]) => what);
  expect(reasons).toEqual(expect.arrayContaining([...flags, ...environment]));
  expect(reasons.filter((what) => what?.startsWith('--'))).toEqual(flags);
});
