import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { blockhub, linesOf, start } from './blockhub.fixture.ts';

test('run without a service lists them all', async () => {
  const ran = await blockhub(['run']);
  const services = join(import.meta.dirname, '../../../services');
  const folders = readdirSync(services, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(linesOf(ran).map(({ service }) => service)).toEqual(folders.map(({ name }) => name).toSorted());
  expect(linesOf(ran).every(({ summary }) => summary.length > 10)).toBe(true);
});

test('run with a name that no service has ends with 2, and says which there are', async () => {
  for (const name of ['missing', '../packages', ''])
    expect(await blockhub(['run', name])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^USAGE: .*builder.*\nCorrect what .* `--help`/),
    });
});

test('words behind the name of a service go to the service: its help, its settings, its exit code', async () => {
  expect(await blockhub(['run', 'web-to-msg', '--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^web-to-msg: [\s\S]*--spool TEXT/),
  });
  expect(await blockhub(['run', 'builder', '--store', 'memory:'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^builder: broker \(--broker/),
  });
});

test('run starts a service, which stops at SIGTERM', async () => {
  const data = mkdtempSync(join(tmpdir(), 'blockhub-run-'));
  const { child, ran } = start(['run', 'standalone', '--data', data, '--port', '0', '--probe-port', '0']);
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
    if (text.includes('Capture')) child.kill('SIGTERM');
  });
  expect(await ran).toMatchObject({ code: 0, stdout: expect.stringContaining('/append/chain/default') });
  rmSync(data, { recursive: true });
});

test('a stop that comes before the service listens for it is heard, as it must be where signals do nothing by default', async () => {
  const killAtFirst = `import module from 'node:module';
    module.enableCompileCache = () => process.kill(process.pid, 'SIGTERM');
    module.syncBuiltinESMExports();`;
  const preload = `--import=data:text/javascript,${encodeURIComponent(killAtFirst)}`;
  const { code } = await blockhub(['run', 'shoveltomany', '--broker', 'memory:', '--probe-port', '0'], { env: { NODE_OPTIONS: preload } });
  // Either by itself or, once it listens, by the service; but not killed.
  expect([0, 143]).toContain(code);
});
