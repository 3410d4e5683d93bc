/**
 * Writes the parts list of the image in CycloneDX: `node sbom.ts PNPM-SBOM.json PARTS.json`. It
 * takes the output of `pnpm sbom`, and keeps the packages whose code is in the bundle. Serial
 * number, time and dependencies differ in each run of pnpm, so they are left out. The base image
 * has its own list.
 */
import { readFileSync } from 'node:fs';

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

const [file = '', parts = ''] = process.argv.slice(2);
const { serialNumber: _number, metadata, components, dependencies: _edges, ...bom } = read(file) as Bom;
const { timestamp: _timestamp, ...about } = metadata;

const nameOf = ({ group, name, version }: Component): string => `${group ? `${group}/` : ''}${name}@${version}`;
const bundled = new Set(read(parts) as string[]);
const kept = components.filter((component) => bundled.has(nameOf(component)));
const listed = new Set(kept.map(nameOf));
// pnpm lists only those workspace packages that others depend on.
const unlisted = [...bundled].filter((name) => !listed.has(name) && !name.startsWith('@blockhub/'));
if (unlisted.length > 0) throw new Error(`these packages are in the bundle, but not in the lockfile: ${unlisted.join(', ')}`);

const list = { ...bom, metadata: about, components: kept.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)) };
process.stdout.write(`${JSON.stringify(list, null, 1)}\n`);
