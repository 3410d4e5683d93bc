/**
 * Writes what services and their settings say into the charts: Chart.yaml, values.yaml, values.schema.json, README.md, the definitions of
 * RabbitMQ. With `--check` it writes nothing, and fails when something is out of date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chartFiles, VALUES_MARK } from './files.ts';

const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

const { version } = JSON.parse(read(join(import.meta.dirname, 'package.json'))) as { version: string };
const [umbrella = ''] = read(join(import.meta.dirname, 'blockhub/README.md')).split(VALUES_MARK);
const isCheck = process.argv.includes('--check');
for (const [path, wanted] of chartFiles({ version, umbrella })) {
  const file = join(import.meta.dirname, path);
  if (read(file) === wanted) continue;
  if (isCheck) {
    process.stderr.write(`charts/${path} is out of date; run \`pnpm fix\`.\n`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  process.stdout.write(`wrote charts/${path}\n`);
}
