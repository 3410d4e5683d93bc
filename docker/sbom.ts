/**
 * The parts list of the image, CycloneDX, from what `pnpm sbom` says of the lockfile: `node sbom.ts PNPM-SBOM.json /app`. Keeps what is installed,
 * in order, without what pnpm says otherwise each time (number, time, who needs whom), so that equal images have equal lists. What the base brings is in
 * the list of the base.
 */
import { globSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Component {
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly 'bom-ref': string;
}

interface Bom {
  readonly serialNumber?: string;
  readonly metadata: { readonly timestamp?: string };
  readonly components: readonly Component[];
  readonly dependencies: unknown;
}

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

const [file = '', app = ''] = process.argv.slice(2);
const { serialNumber: _number, metadata, components, dependencies: _edges, ...bom } = read(file) as Bom;
const { timestamp: _timestamp, ...about } = metadata;

const packagesAt = (pattern: string): string[] =>
  globSync(`${pattern}/package.json`, { cwd: app })
    .filter((path) => !lstatSync(join(app, dirname(path))).isSymbolicLink())
    .map((path) => read(join(app, path)) as Component)
    .map(({ name, version }) => `${name}@${version}`);
const vendors = packagesAt('node_modules/.pnpm/*/node_modules/{*,@*/*}');
const installed = new Set([...vendors, ...packagesAt('{packages,services}/*')]);

const nameOf = ({ group, name, version }: Component): string => `${group ? `${group}/` : ''}${name}@${version}`;
const kept = components.filter((component) => installed.has(nameOf(component)));
const listed = new Set(kept.map(nameOf));
const unlisted = vendors.filter((name) => !listed.has(name));
if (unlisted.length > 0) throw new Error(`installed, but not in the lockfile: ${unlisted.join(', ')}`);

const list = { ...bom, metadata: about, components: kept.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)) };
process.stdout.write(`${JSON.stringify(list, null, 1)}\n`);
