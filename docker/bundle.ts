/**
 * Writes all code of the command and of every service into a folder: `node bundle.ts FOLDER
 * [PARTS]`. The folder needs no other file. PARTS gets the ids of the packages whose code is in the
 * folder, for the parts list of the image.
 *
 * A process uses less memory with a bundle than with the sources, and starts faster: it loads about
 * thirty files instead of hundreds, without unused code.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { licencesOf, partsOf } from './parts.ts';

const top = resolve(import.meta.dirname, '..');
const [to = '', parts] = process.argv.slice(2);
if (to === '') throw new Error('FOLDER is missing: node docker/bundle.ts FOLDER [PARTS]');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
function write(path: string, text: string): void {
  mkdirSync(dirname(resolve(to, path)), { recursive: true });
  writeFileSync(resolve(to, path), text);
}

/** esbuild cannot see what a `require` from `createRequire` loads. */
const requires: Plugin = {
  name: 'requires',
  setup({ onLoad }) {
    onLoad({ filter: /\/(packages|services)\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8').replace('const require = createRequire(import.meta.url);', '');
      if (contents.includes('createRequire('))
        throw new Error(`${path} calls createRequire in a form that docker/bundle.ts does not replace`);
      return { contents, loader: 'ts' };
    });
  },
};

/**
 * `import "node:http"` also loads `fetch` and `WebSocket`, more than 5 MB. Packages get only what
 * they use.
 */
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

/** CommonJS that may be imported dynamically, because the importer uses only its default export. */
const asDefault = /\/prom-client\//;

const services = globSync('services/*/package.json', { cwd: top }).map(dirname).toSorted();
const { metafile } = await build({
  absWorkingDir: top,
  entryPoints: ['packages/cli', ...services].map((folder) => `${folder}/src/main.ts`),
  outbase: '.',
  outdir: resolve(to),
  // As deep as the source files, so that relative paths to other files are still right.
  chunkNames: 'packages/chunks/src/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  // Prefer ES modules, whose exports have names.
  mainFields: ['module', 'main'],
  target: 'node24',
  // Names are kept, so that stack traces can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  // For `node --enable-source-maps`; other processes do not read them.
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  // CommonJS needs a `require`.
  banner: { js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" },
  plugins: [requires, http],
});

/**
 * A dynamic import of CommonJS gives only a default export in a bundle. It would fail at run time.
 */
for (const [file, { imports }] of Object.entries(metafile.inputs))
  for (const { kind, path, external } of imports)
    if (kind === 'dynamic-import' && !external && metafile.inputs[path]?.format === 'cjs' && !asDefault.test(path))
      throw new Error(`${file} imports ${path} dynamically, and would get no named exports`);

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
