import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

test('the image starts Node as the first line of the command does', () => {
  const [, environment = '', flags = ''] = /^#!\/usr\/bin\/env -S (.*?)node(.*)$/m.exec(read('packages/cli/src/main.ts')) ?? [];
  const dockerfile = read('docker/Dockerfile');
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  expect(JSON.parse(entrypoint)).toEqual(['node', ...flags.split(' ').filter(Boolean), '/app/packages/cli/src/main.ts']);
  const [, variables = ''] = /^ENV (.*)$/m.exec(dockerfile) ?? [];
  expect(variables.split(' ')).toEqual(expect.arrayContaining(environment.split(' ').filter(Boolean)));
});
