/**
 * The parts list of the image, CycloneDX, from what `pnpm sbom` says of the lockfile: `node sbom.ts PNPM-SBOM.json PARTS.json`. Keeps what `bundle.ts` took
 * code from, in order, without what pnpm says otherwise each time (number, time, who needs whom), so that equal images have equal lists. What the base
 * brings is in the list of the base.
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
// Of ours pnpm lists only what others need.
const unlisted = [...bundled].filter((name) => !listed.has(name) && !name.startsWith('@blockhub/'));
if (unlisted.length > 0) throw new Error(`in the bundle, but not in the lockfile: ${unlisted.join(', ')}`);

const list = { ...bom, metadata: about, components: kept.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)) };
process.stdout.write(`${JSON.stringify(list, null, 1)}\n`);
