/**
 * Writes all code of the command and of every service to a folder: `node bundle.ts FOLDER [PARTS]`. It needs no other file to run. To PARTS go the
 * packages of which there is code in it, for the parts list of the image.
 *
 * A process takes less memory of it than of the sources, and starts faster: it loads some thirty files instead of hundreds, without what nobody calls.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { licencesOf, partsOf } from './parts.ts';

const top = resolve(import.meta.dirname, '..');
const [to = '', parts] = process.argv.slice(2);
if (to === '') throw new Error('Say where to: node docker/bundle.ts FOLDER [PARTS]');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
function write(path: string, text: string): void {
  mkdirSync(dirname(resolve(to, path)), { recursive: true });
  writeFileSync(resolve(to, path), text);
}

/** A `require` that is made by hand hides from esbuild what it loads, and when. */
const requires: Plugin = {
  name: 'requires',
  setup({ onLoad }) {
    onLoad({ filter: /\/(packages|services)\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8').replace('const require = createRequire(import.meta.url);', '');
      if (contents.includes('createRequire(')) throw new Error(`${path} makes a require that is not known here`);
      return { contents, loader: 'ts' };
    });
  },
};

/** Who imports `node:http` loads `fetch` and `WebSocket` with it, 5 MB and more: vendors get what they use of it without. */
const http: Plugin = {
  name: 'http',
  setup({ onResolve, onLoad }) {
    const namespace = 'light-http';
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) => (kind === 'require-call' ? undefined : { path: 'node:http', namespace }));
    onLoad({ filter: /./, namespace }, () => ({
      contents: `const http = process.getBuiltinModule('node:http');
        export default http;
        export const { Agent, METHODS, STATUS_CODES, createServer, request } = http;`,
    }));
  },
};

/** CommonJS that may be imported while it runs, since who does so takes the default. */
const asDefault = /\/prom-client\//;

const services = globSync('services/*', { cwd: top }).toSorted();
const { metafile } = await build({
  absWorkingDir: top,
  entryPoints: ['packages/cli', ...services].map((folder) => `${folder}/src/main.ts`),
  outbase: '.',
  outdir: resolve(to),
  // As deep as our own files: what looks for files from where it lies finds them.
  chunkNames: 'packages/chunks/src/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  // Of what comes in both forms the one whose exports are known by name.
  mainFields: ['module', 'main'],
  target: 'node24',
  // Names stay, so that a stack trace can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  // For `node --enable-source-maps`; other processes do not read them.
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  // For CommonJS, which has it.
  banner: { js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" },
  plugins: [requires, http],
});

/** Who imports CommonJS while it runs gets no names from a chunk, only a default. That would show when it is needed. */
for (const [file, { imports }] of Object.entries(metafile.inputs))
  for (const { kind, path, external } of imports)
    if (kind === 'dynamic-import' && !external && metafile.inputs[path]?.format === 'cjs' && !asDefault.test(path))
      throw new Error(`${file} imports ${path}, which would have no exports`);

const { name: _name, version, license } = JSON.parse(read('package.json')) as Record<string, string>;
write('package.json', `${JSON.stringify({ name: 'blockhub', version, license, type: 'module' }, null, 2)}\n`);
for (const service of services) {
  const { name, description } = JSON.parse(read(`${service}/package.json`)) as Record<string, string>;
  write(`${service}/package.json`, `${JSON.stringify({ name, version, description, license, type: 'module' }, null, 2)}\n`);
}

const all = partsOf(top, metafile);
write('LICENSE', read('LICENSE'));
write('LICENSES.md', licencesOf(all));
if (parts !== undefined) writeFileSync(parts, JSON.stringify(all.map(({ id }) => id)));
