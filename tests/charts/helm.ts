import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

export const chartsFolder = resolve(import.meta.dirname, '../../charts');

/** Charts of places. */
export const places: readonly string[] = readdirSync(chartsFolder).filter((name) => existsSync(join(chartsFolder, name, 'place.json')));

/** A Kubernetes object. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
export type Manifest = any;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Rendered extends Ran {
  readonly objects: readonly Manifest[];
}

/** A Helm to test with. */
export interface Helm {
  readonly program: string;
  readonly version: string;
}

function find(variable: string, fallback: string | undefined): Helm | undefined {
  const program = process.env[variable] || fallback;
  if (program === undefined) return undefined;
  try {
    return { program, version: execFileSync(program, ['version', '--short'], { encoding: 'utf8', stdio: 'pipe' }).trim() };
  } catch (error) {
    // If the variable is set, the program must work, so that tests are not left out unnoticed.
    if (process.env[variable]) throw error;
    return undefined;
  }
}

/** BLOCKHUB_TEST_HELM or the helm on the path, and BLOCKHUB_TEST_HELM3. */
export const helms: readonly Helm[] = [find('BLOCKHUB_TEST_HELM', 'helm'), find('BLOCKHUB_TEST_HELM3', undefined)].filter(
  (helm) => helm !== undefined,
);
export const noHelm = 'left out: no helm on the path, and BLOCKHUB_TEST_HELM names none';

/** The version of Kubernetes for `helm template`. */
export const KUBERNETES = '1.34.0';

/** Runs `helm` with these words, and removes its messages about links between charts. */
export function helm({ program }: Helm, words: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    execFile(program, words, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      done({ code: error ? 1 : 0, stdout, stderr: stderr.replaceAll(/^.*found symbolic link in path.*\n/gm, '') }),
    );
  });
}

/** Renders a chart below charts/ with these values. */
export async function template(which: Helm, chart: string, values: object = {}, release = 'demo'): Promise<Rendered> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-charts-'));
  const file = join(folder, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  const place = ['--namespace', 'mesh', '--kube-version', KUBERNETES, '--values', file];
  const ran = await helm(which, ['template', release, join(chartsFolder, chart), ...place]);
  rmSync(folder, { recursive: true });
  return { ...ran, objects: ran.code === 0 ? read(ran.stdout) : [] };
}

/** Every document. A duplicate key is an error, which a Kubernetes API server may not report. */
function read(text: string): Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true })
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as Manifest;
    })
    .filter((object) => object !== null);
}

/** The one object of this kind and name. */
export function get({ objects, stderr }: Rendered, kind: string, name: string): Manifest {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name}, there are ${objects.map(nameOf).join(', ')} ${stderr}`);
  return found[0];
}

export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

/** The specification of the pods of an object, if it has pods. */
export const podOf = ({ kind, spec }: Manifest): Manifest => (kind === 'Pod' ? spec : spec?.template?.spec);

/** Variables of the first container. */
export const envOf = (object: Manifest): Record<string, string> =>
  Object.fromEntries(podOf(object).containers[0].env.map(({ name, value }: { name: string; value: string }) => [name, value]));
