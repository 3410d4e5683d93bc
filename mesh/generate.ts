/**
 * Writes what follows from the list of places: services/README.md, the table of processes in
 * docs/distributed.md, and the targets of monitoring/prometheus.yaml. With `--check` it writes
 * nothing, and fails if something is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processTable, scrapeTargets, servicesPage } from './pages.ts';

const top = dirname(import.meta.dirname);
const read = (path: string): string => (existsSync(join(top, path)) ? readFileSync(join(top, path), 'utf8') : '');

/** The file with this text between two lines that begin and end with these marks. */
function between(path: string, open: string, close: string, text: string): string {
  const source = read(path);
  const from = source.indexOf('\n', source.indexOf(open)) + 1;
  const to = source.lastIndexOf('\n', source.indexOf(close)) + 1;
  if (!source.includes(open) || !source.includes(close) || from > to) throw new Error(`${path} must have the marks ${open} and ${close}`);
  return source.slice(0, from) + text + source.slice(to);
}

const files = new Map([
  ['services/README.md', servicesPage()],
  ['docs/distributed.md', between('docs/distributed.md', '<!-- places', '<!-- /places', `\n${processTable()}\n`)],
  ['monitoring/prometheus.yaml', between('monitoring/prometheus.yaml', '# places', '# /places', scrapeTargets())],
]);

const isCheck = process.argv.includes('--check');
for (const [path, wanted] of files) {
  if (read(path) === wanted) continue;
  if (isCheck) {
    process.stderr.write(`${path} is out of date; run \`pnpm fix\`.\n`);
    process.exitCode = 1;
    continue;
  }
  writeFileSync(join(top, path), wanted);
  process.stdout.write(`wrote ${path}\n`);
}
