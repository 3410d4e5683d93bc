/**
 * Writes docs/reference/*.md, the settings tables in READMEs of services and the dashboard from the
 * code. With `--check` it writes nothing, and fails if something is out of date.
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SettingsShape } from '@blockhub/settings';
import { commonSettings } from '@blockhub/worker';
import { dashboard } from '../monitoring/dashboard.ts';
import { settingsTable } from './markdown.ts';
import { declaredMetrics } from './metrics.ts';
import {
  type Documented,
  errorsPage,
  firstDifference,
  metricsPage,
  queuesPage,
  redactionPage,
  settingsPage,
  walkLinePage,
  withSettings,
} from './pages.ts';

const top = resolve(import.meta.dirname, '../..');

const isDocumented = (value: unknown): value is Documented =>
  typeof value === 'object' && value !== null && 'name' in value && 'summary' in value && 'settings' in value;

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

/** The worker that a service defines, or the settings of one that composes others; undefined where there is no code yet. */
async function readService(name: string): Promise<Documented | undefined> {
  const folder = join(top, 'services', name);
  const file = ['src/worker.ts', 'src/settings.ts'].map((path) => join(folder, path)).find(existsSync);
  if (file === undefined) return undefined;
  try {
    const module = (await import(pathToFileURL(file).href)) as { settings?: SettingsShape } & Record<string, unknown>;
    const { description } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { description: string };
    const service = Object.values(module).find(isDocumented) ?? { name, summary: description, settings: module.settings };
    if (service.settings === undefined) throw new Error('it exports neither a worker nor settings');
    settingsTable(service.settings);
    return { ...service, settings: service.settings };
  } catch (error) {
    fail(`services/${name} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return undefined;
}

const serviceNames = globSync('services/*/package.json', { cwd: top })
  .map((path) => path.split('/')[1] ?? '')
  .toSorted();
const services = (await Promise.all(serviceNames.map(readService))).filter((it) => it !== undefined);

const pages = new Map([
  ['docs/reference/errors.md', errorsPage()],
  ['docs/reference/queues.md', queuesPage()],
  ['docs/reference/redaction.md', redactionPage()],
  ['docs/reference/settings.md', settingsPage(commonSettings, services)],
  ['docs/reference/metrics.md', metricsPage(declaredMetrics())],
  ['docs/reference/walk-line.md', walkLinePage()],
  ['monitoring/dashboard.json', dashboard()],
]);
for (const { name, settings } of services) {
  const path = `services/${name}/README.md`;
  if (!existsSync(join(top, path))) continue;
  const page = withSettings(readFileSync(join(top, path), 'utf8'), settingsTable(settings));
  if (page === undefined) fail(`${path} has no place for its settings: <!-- settings --> and <!-- /settings -->`);
  else pages.set(path, page);
}

const isCheck = process.argv.includes('--check');
for (const [path, wanted] of pages) {
  const file = join(top, path);
  const difference = firstDifference(existsSync(file) ? readFileSync(file, 'utf8') : '', wanted);
  if (difference === undefined) continue;
  if (isCheck) {
    fail(`${path} is out of date; run \`pnpm fix\`. ${difference}`);
    continue;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  process.stdout.write(`wrote ${path}\n`);
}
