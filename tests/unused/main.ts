/** Refuses exports of packages and services that only tests use. Fails if there are any. */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { checkUnused, type Unused } from './exports.ts';

const top = resolve(import.meta.dirname, '../..');
const knip = [join(top, 'node_modules/knip/bin/knip.js'), '--production', '--include-entry-exports', '--include', 'exports'];
const options = ['--config', 'tests/unused/production.json', '--reporter', 'json', '--no-exit-code', '--no-config-hints'];

interface Report {
  readonly issues: readonly { readonly file: string; readonly exports: readonly { readonly name: string }[] }[];
}

const { issues } = JSON.parse(execFileSync(process.execPath, [...knip, ...options], { cwd: top, encoding: 'utf8' })) as Report;
const found = issues
  .filter(({ file }) => /^(?:packages|services)\//.test(file))
  .flatMap(({ file, exports }) => exports.map(({ name }): Unused => ({ path: file, name })));

for (const fault of checkUnused(found)) {
  process.stdout.write(`${fault}\n`);
  process.exitCode = 1;
}
