import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { readNodeStart } from './flags.ts';

const top = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
const { environment, flags } = readNodeStart();

test('the image starts Node as the first line of the command does', () => {
  const dockerfile = read('docker/Dockerfile');
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(entrypoint)).toEqual(['node', ...flags, '/app/packages/cli/src/main.js']);
  const [, variables = ''] = /^ENV (.*)$/m.exec(dockerfile) ?? [];
  expect(variables.split(' ')).toEqual(expect.arrayContaining([...environment]));
});

test('`pnpm blockhub` runs the command itself, so its first line starts Node', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { blockhub: string } };
  expect(scripts.blockhub).toBe('packages/cli/src/main.ts');
  accessSync(join(top, scripts.blockhub), constants.X_OK);
});

test('the page about starts without the image gives the same flags, and their effects', () => {
  const page = read('docs/distributed.md');
  const [, variables = '', said = ''] = /^(.*) node (.*) \S+\/packages\/cli\/src\/main\.js run /m.exec(page) ?? [];
  expect(said.split(' ')).toEqual(flags);
  expect(variables.split(' ')).toEqual(expect.arrayContaining([...environment]));
  const reasons = [...page.matchAll(/^\| `(--[\w-]+=\d+|[A-Z_]+(?:=\d+)?)` \| \S/gm)].map(([, what]) => what);
  expect(reasons).toEqual(expect.arrayContaining([...flags, ...environment]));
  expect(reasons.filter((what) => what?.startsWith('--'))).toEqual(flags);
});
