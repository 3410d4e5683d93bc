/**
 * Writes what services and their settings say into the charts: Chart.yaml, values.yaml, values.schema.json, README.md, the definitions of
 * RabbitMQ. With `--check` it writes nothing, and fails when something is out of date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chartFiles, VALUES_MARK } from './files.ts';
import { definitionsFile } from './rabbitmq.ts';

const top = dirname(import.meta.dirname);
const read = (path: string): string => (existsSync(join(top, path)) ? readFileSync(join(top, path), 'utf8') : '');

const { version } = JSON.parse(read('charts/package.json')) as { version: string };
const [umbrella = ''] = read('charts/blockhub/README.md').split(VALUES_MARK);
const alerts = read('monitoring/alerts.yaml');
const dashboard = read('monitoring/dashboard.json');
const files = new Map([['k8s/rabbitmq/definitions.json', definitionsFile()]]);
for (const [path, text] of chartFiles({ version, umbrella, alerts, dashboard })) files.set(`charts/${path}`, text);

const isCheck = process.argv.includes('--check');
for (const [path, wanted] of files) {
  if (read(path) === wanted) continue;
  if (isCheck) {
    process.stderr.write(`${path} is out of date; run \`pnpm fix\`.\n`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), wanted);
  process.stdout.write(`wrote ${path}\n`);
}
