/**
 * Writes a new service and its line in the list of places: `pnpm new-service NAME --group GROUP`.
 * The service takes messages from a queue of its name. It passes all checks and its test at once.
 * If the group does not exist, it is made with a catalogue of queues.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { catalogueFile, groupFile, type NewService, queueOf, serviceFiles } from './templates.ts';

const top = dirname(import.meta.dirname);
const usage = 'pnpm new-service NAME --group GROUP\n';
const nameForm = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

const exists = (path: string): boolean => existsSync(join(top, path));
const catalogueOf = (group: string): string => `packages/message/src/queues/${group}.ts`;
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
function write(path: string, text: string): void {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
  process.stdout.write(`wrote ${path}\n`);
}

/** Writes the file with this text before the last of the marks that it has. */
function insert(path: string, mark: string, text: string): void {
  const source = read(path);
  const at = source.lastIndexOf(mark);
  if (at < 0) throw new Error(`${path} does not contain ${JSON.stringify(mark)}, where the new line belongs`);
  write(path, `${source.slice(0, at)}${text}${source.slice(at)}`);
}

/** Imports are sorted by `pnpm fix` later. */
const addImport = (path: string, line: string): void => write(path, `${line}\n${read(path)}`);

function addGroup({ group, groupName }: NewService): void {
  write(`mesh/${group}.ts`, groupFile(group, groupName));
  addImport('mesh/groups.ts', `import { ${groupName} } from './${group}.ts';`);
  insert('mesh/groups.ts', '];\n\n/** Changes', `, ${groupName}`);
  const queues = `${camel(group)}Queues`;
  write(catalogueOf(group), catalogueFile(group, queues));
  addImport('packages/message/src/queues/catalogues.ts', `import { ${queues} } from './${group}.ts';`);
  insert('packages/message/src/queues/catalogues.ts', ' } as const satisfies Record', `, ${camel(group)}: ${queues}`);
}

function addService(service: NewService): void {
  const { name, group, workerName } = service;
  for (const [path, text] of serviceFiles(service)) write(`services/${name}/${path}`, text);
  insert(catalogueOf(group), '} as const satisfies', queueOf(service));
  addImport(`mesh/${group}.ts`, `import { worker as ${workerName} } from '@blockhub/${name}';`);
  insert(`mesh/${group}.ts`, '],\n};', `place(${workerName}),\n`);
  const manifest = JSON.parse(read('mesh/package.json')) as { dependencies: Record<string, string> };
  manifest.dependencies[`@blockhub/${name}`] = 'workspace:*';
  manifest.dependencies = Object.fromEntries(Object.entries(manifest.dependencies).toSorted());
  write('mesh/package.json', `${JSON.stringify(manifest, null, 2)}\n`);
}

const run = (...words: string[]): void => void execFileSync('npx', ['-y', 'pnpm', ...words], { cwd: top, stdio: 'inherit' });
const camel = (name: string): string => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** What is wrong with the arguments, if anything is. */
function findMistake(name: string, rest: readonly string[], group: string): string | undefined {
  if (!nameForm.test(name) || rest.length > 0) return `NAME must be one name such as s3-proxy, got "${[name, ...rest].join(' ')}".`;
  if (!nameForm.test(group) || group.includes('-')) return `--group must be one word such as chain, got "${group}".`;
  if (exists(`mesh/${group}.ts`) && !exists(catalogueOf(group))) return `--group must not be the name of a file of mesh, got "${group}".`;
  return exists(`services/${name}`) ? `services/${name} exists already.` : undefined;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { group: { type: 'string' } } });
const [name = '', ...rest] = positionals[0] === '--' ? positionals.slice(1) : positionals;
const { group = '' } = values;
const mistake = findMistake(name, rest, group);
if (mistake !== undefined) {
  process.stderr.write(`${mistake}\n${usage}`);
  process.exitCode = 2;
} else {
  const service: NewService = {
    name,
    group,
    camelName: camel(name),
    workerName: `${camel(name)}Worker`,
    groupName: `${camel(group)}Group`,
  };
  if (!exists(catalogueOf(group))) addGroup(service);
  addService(service);
  run('install', '--no-frozen-lockfile', '--prefer-offline');
  run('fix');
}
