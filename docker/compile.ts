/**
 * Fills a compile cache with the code of all that may run: `node compile.ts /app /compiled`. Each process adds what it has loaded when it ends.
 * Fails where anything cannot be loaded, so that an image that lacks a file is not built.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [app = '', cache = ''] = process.argv.slice(2);
const main = join(app, 'packages/cli/src/main.ts');

/** As the container starts it: with the flags in the first line of main.ts, since some flags make V8 refuse what was compiled without them. */
const flags = readFileSync(main, 'utf8')
  .split('\n', 1)
  .flatMap((line) => line.split(' ').filter((word) => word.startsWith('--')));

/** Equal code gives equal bytes. V8 does not count it among the flags that it compares. */
const repeatable = '--predictable';

const run = (cwd: string, args: readonly string[]): unknown =>
  execFileSync(process.execPath, [...flags, repeatable, ...args], {
    cwd,
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    stdio: ['ignore', 'ignore', 'inherit'],
  });

run(app, [main, '--help']);
for (const service of readdirSync(join(app, 'services'))) run(app, [main, 'run', service, '--help']);

// What is loaded only when a URL or a setting asks for it, vendors' code too.
for (const folder of globSync('{packages,services}/*', { cwd: app })) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(app, folder, 'package.json'), 'utf8')) as { dependencies?: object };
  const files = globSync('src/**/*.ts', { cwd: join(app, folder), exclude: ['src/main.ts'] }).map((path) => `./${path}`);
  const load = `await Promise.all(${JSON.stringify([...files, ...Object.keys(dependencies)])}.map((it) => import(it)))`;
  run(join(app, folder), ['--input-type=module', '--eval', load]);
}
