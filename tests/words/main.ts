/**
 * Checks columns, cells of tables, refused words and lengths of files: of all files, or below the
 * paths that are given (`node tests/words/main.ts packages/errors`). Fails if it finds something.
 */
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkFile } from './rules.ts';

const top = resolve(import.meta.dirname, '../..');
const paths = process.argv.slice(2);

/** Files that are in Git or would be added. tests/words itself contains the refused words. */
const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...paths], {
  cwd: top,
  encoding: 'utf8',
});
const files = listed
  .split('\0')
  .filter((path) => /\.(?:md|ts|yaml|tpl|sh)$/.test(path) && path !== 'pnpm-lock.yaml' && !path.startsWith('tests/words/'))
  .filter((path) => lstatSync(join(top, path), { throwIfNoEntry: false })?.isFile());

const findings = files.flatMap((path) => checkFile(path, readFileSync(join(top, path), 'utf8')));
for (const { path, line, rule, fix } of findings) process.stdout.write(`${path}:${line}: ${rule}: ${fix}\n`);
if (findings.length > 0) {
  process.stderr.write(`${findings.length} findings in ${files.length} files\n`);
  process.exitCode = 1;
}
