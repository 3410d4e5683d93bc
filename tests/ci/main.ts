/**
 * `pnpm test:all [STEP…]`: everything that must pass before a change lands, or only these steps. It
 * needs Docker and pulls public images; a variable can name another image or a program instead.
 * Steps that cannot run here are left out, and the last lines list them. The first failure ends it.
 *
 * | step              | what it runs                                       | what it needs                |
 * | ----------------- | -------------------------------------------------- | ---------------------------- |
 * | `check`           | types, lint, format, unused code, generated text   |                              |
 * | `test`            | all suites                                         | Docker                       |
 * | `oldest-rabbitmq` | the broker's suites with servers on RabbitMQ 3.10  | Docker                       |
 * | `cluster`         | the charts on a cluster                            | see tests/cluster/main.ts    |
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { programs, provide } from './programs.ts';

const top = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'blockhub-programs-'));
const leftOut: string[] = [];
const times: string[] = [];

/** Runs a script of package.json; ends this process if it fails. */
function runScript(words: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { status } = spawnSync('npx', ['-y', 'pnpm', ...words], { cwd: top, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(1);
}

const steps: Readonly<Record<string, () => void>> = {
  check: () => runScript(['check']),
  test() {
    for (const program of programs) {
      const missing = provide(program, folder);
      if (missing !== undefined) leftOut.push(missing);
    }
    if (!process.env.BLOCKHUB_TEST_S3_LIAR_URL) leftOut.push('a store that must be refused: BLOCKHUB_TEST_S3_LIAR_URL is not set');
    runScript(['test']);
  },
  'oldest-rabbitmq'() {
    const { BLOCKHUB_TEST_RABBITMQ_OLDEST_IMAGE: image = 'docker.io/library/rabbitmq:3.10-management' } = process.env;
    if (image === 'none') leftOut.push('RabbitMQ 3.10: there is no image of it');
    else runScript(['test', 'packages/broker/src/drivers/amqp'], { BLOCKHUB_TEST_RABBITMQ_IMAGE: image, BLOCKHUB_TEST_LAYERS: 'servers' });
  },
  cluster() {
    if (process.env.KUBECONFIG) runScript(['test:cluster']);
    else leftOut.push('the charts on a cluster: KUBECONFIG is not set');
  },
};

process.on('exit', (code) => {
  rmSync(folder, { recursive: true });
  for (const line of [...times, ...leftOut.map((what) => `LEFT OUT: ${what}`)]) console.error(line);
  if (code !== 0) console.error('FAILED');
});

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(steps);
for (const name of wanted) if (!steps[name]) throw new Error(`expected ${Object.keys(steps).join(', ')}, got ${name}`);
for (const name of wanted) {
  const started = performance.now();
  console.error(`== ${name}`);
  steps[name]?.();
  times.push(`${name}: ${Math.round((performance.now() - started) / 1000)} s`);
}
