/**
 * Writes the charts from the list of places and the settings of services: Chart.yaml, values.yaml,
 * values.schema.json, README.md, templates and links, and the definitions of RabbitMQ. It deletes
 * the chart of a place that the list does not have. With `--check` it writes nothing, and fails if
 * something is out of date.
 */
import { globSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mend, mendFiles, read, top } from '../tests/reference/generated.ts';
import { chartFiles, chartLinks, VALUES_MARK } from './files.ts';
import { places } from './places.ts';
import { definitionsFile } from './rabbitmq.ts';

/** The target of a link; undefined if there is no link at this path. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(join(top, path));
  } catch {
    return undefined;
  }
}

const { version } = JSON.parse(read('charts/package.json')) as { version: string };
const [umbrella = ''] = read('charts/blockhub/README.md').split(VALUES_MARK);
const alerts = read('monitoring/alerts.yaml');
const dashboard = read('monitoring/dashboard.json');
const files = new Map([['k8s/rabbitmq/definitions.json', definitionsFile()]]);
for (const [path, text] of chartFiles({ version, umbrella, alerts, dashboard })) files.set(`charts/${path}`, text);
const links = new Map([...chartLinks()].map(([path, target]) => [`charts/${path}`, target]));
const names = new Set(places.map(({ name }) => name));
const stale = [
  ...globSync('charts/*/place.json', { cwd: top })
    .map(dirname)
    .filter((folder) => !names.has(folder.slice('charts/'.length))),
  ...globSync('charts/blockhub/charts/*', { cwd: top }).filter((path) => !links.has(path)),
];

for (const path of stale) mend(path, () => rmSync(join(top, path), { recursive: true }));
mendFiles(files);
for (const [path, target] of links)
  if (targetOf(path) !== target)
    mend(path, () => {
      rmSync(join(top, path), { recursive: true, force: true });
      symlinkSync(target, join(top, path));
    });
