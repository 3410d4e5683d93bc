/**
 * Builds the image and prints its name and size: `pnpm images`. It needs the program `docker`,
 * which gets the arguments after `--`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const top = resolve(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(`${top}/package.json`, 'utf8')) as { version: string };
const { BLOCKHUB_IMAGE, BLOCKHUB_IMAGE_BASE } = process.env;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tag: { type: 'string', default: BLOCKHUB_IMAGE || `blockhub:${version}` },
    base: { type: 'string', default: BLOCKHUB_IMAGE_BASE || '' },
    help: { type: 'boolean', default: false },
  },
});

const output = (program: string, ...args: string[]): string => execFileSync(program, args, { cwd: top, encoding: 'utf8' }).trim();

/** Revision and time of the commit, so that a second build is equal. Empty if there is no Git. */
function provenance(): Record<string, string> {
  try {
    const REVISION = output('git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*');
    return { REVISION, CREATED: new Date(Number(output('git', 'log', '-1', '--format=%ct')) * 1000).toISOString() };
  } catch {
    return {};
  }
}

function build(): void {
  const args = { VERSION: version, ...provenance(), ...(values.base && { BASE: values.base }) };
  const buildArgs = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  execFileSync('docker', ['build', '--file', 'docker/Dockerfile', '--tag', values.tag, ...buildArgs, ...positionals, '.'], {
    cwd: top,
    // Standard output has only the one line that programs read.
    stdio: ['ignore', process.stderr, 'inherit'],
  });
  const bytes = Number(output('docker', 'image', 'inspect', '--format', '{{.Size}}', values.tag));
  process.stdout.write(`${values.tag} ${(bytes / 1e6).toFixed(0)} MB\n`);
}

if (values.help) process.stdout.write('pnpm images [--tag NAME] [--base IMAGE] [-- arguments of docker build]\n');
else build();
