import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhub, freePort, quiet, type Standalone, standaloneMain, startStandalone, until } from './standalone.ts';

let data: string;
let ports: { port: number; probePort: number };
const running: Standalone[] = [];

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'blockhub-start-'));
  ports = { port: await freePort(), probePort: await freePort() };
});
afterEach(async () => {
  for (const mesh of running.splice(0)) {
    mesh.process.kill('SIGKILL');
    await mesh.ended;
  }
  rmSync(data, { recursive: true, force: true });
});

async function start(...more: string[]): Promise<Standalone> {
  const mesh = await startStandalone(data, ports, more);
  running.push(mesh);
  return mesh;
}

async function stop(mesh: Standalone): Promise<void> {
  mesh.process.kill('SIGINT');
  expect(await mesh.ended).toBe(0);
}

const append = (mesh: Standalone, body: string, chain = 'default'): Promise<Response> =>
  fetch(`${mesh.url}/append/chain/${chain}`, { method: 'POST', body });

interface WalkedLine {
  chain: string;
  id: string;
  prev: string | null;
  next: string | null;
  height: number;
  time: number;
  blobs: { event: string; crypt: string; hash: string; length: number; mime: string }[];
}

async function walk(chain = 'default'): Promise<WalkedLine[]> {
  const { code, stdout } = await blockhub('walk', chain, '--data', data);
  expect(code).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as WalkedLine);
}

test('a data folder may have any name', async () => {
  const outer = data;
  data = join(outer, '100% %41 #1?');
  try {
    const mesh = await start();
    expect((await append(mesh, 'hello')).status).toBe(201);
    await until(async () => (await walk()).length > 1);
    await stop(mesh);
    expect(readdirSync(data)).toEqual(expect.arrayContaining(['broker.sqlite', 'registry.sqlite', 'store']));
    expect(readdirSync(outer)).toEqual(['100% %41 #1?']);
  } finally {
    data = outer;
  }
});

test.each(['> /dev/full 2>&1', '2>&1 | true'])('output that cannot be written (%s) stops nothing', async (where) => {
  const args = `--data '${data}' --port ${ports.port} --probe-port ${ports.probePort}`;
  const shell = spawn('sh', ['-c', `'${process.execPath}' '${standaloneMain}' ${args} ${where}`], { stdio: 'ignore', detached: true });
  try {
    await until(
      async () => (await fetch(`http://127.0.0.1:${ports.port}/`, { method: 'POST', body: 'x' }).catch(() => undefined))?.status === 201,
    );
    expect((await fetch(`http://127.0.0.1:${ports.probePort}/readyz`)).status).toBe(200);
  } finally {
    process.kill(-(shell.pid as number), 'SIGKILL');
    await once(shell, 'exit');
  }
});

test('a data folder that cannot be created is an error, not a start that never ends', () => {
  const { status, stderr } = runOnce('--data', '/proc/blockhub/data', '--port', '0', '--probe-port', '0');
  expect([status, stderr]).toEqual([1, expect.stringContaining('DATA_FOLDER_UNUSABLE')]);
});

test.each(['::1', '[::1]'])('an IPv6 address is printed so that it can be pasted, as %s', async (host) => {
  const child = spawn(process.execPath, [
    standaloneMain,
    '--data',
    data,
    '--host',
    host,
    '--probe-host',
    host,
    '--port',
    '0',
    '--probe-port',
    '0',
  ]);
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  await until(() => out.includes('Ctrl-C') || child.exitCode !== null);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(out).toMatch(/Capture {2}http:\/\/\[::1\]:\d+\n/);
  expect(out).toMatch(/Probes {3}http:\/\/\[::1\]:\d+\/readyz/);
});

test('on :: it is reached by IPv6 and IPv4, as pods of the charts are, and an IPv4 address is one', async () => {
  const mesh = await start('--host', '::', '--probe-host', '::', '--allow-ips', '127.0.0.0/8');
  for (const [host, status] of [
    ['127.0.0.1', 201],
    ['[::1]', 403],
  ] as const) {
    expect((await fetch(`http://${host}:${ports.port}/`, { method: 'POST', body: 'x' })).status).toBe(status);
    for (const path of ['readyz', 'livez', 'metrics']) expect((await fetch(`http://${host}:${ports.probePort}/${path}`)).status).toBe(200);
  }
  await stop(mesh);
});

test('a stop that fails prints the error and ends with 1', async () => {
  const mesh = await start();
  // A stop removes the file `blockhub.pid`. That fails if there is a folder of this name.
  rmSync(join(data, 'blockhub.pid'));
  mkdirSync(join(data, 'blockhub.pid'));
  mesh.process.kill('SIGINT');
  expect(await mesh.ended).toBe(1);
  expect(mesh.stderr()).toContain('while stopping');
});

function runOnce(...args: string[]): { status: number | null; stderr: string; stdout: string } {
  return spawnSync(process.execPath, [standaloneMain, ...args], { encoding: 'utf8', timeout: 30_000 });
}

describe('the first success', () => {
  test('start, append, walk, verify; stop; start again and go on', async () => {
    const mesh = await start();
    const receipt = (await (await append(mesh, 'hello')).json()) as { event: string; chain: string };
    await quiet(data);
    const blocks = await walk();
    expect(blocks[0]).toMatchObject({ chain: receipt.chain, id: receipt.chain, prev: null, height: 0, blobs: [] });
    expect(blocks.flatMap(({ blobs }) => blobs.map(({ event }) => event))).toContain(receipt.event);
    for (const [at, block] of blocks.entries()) {
      expect(Object.keys(block)).toEqual(['chain', 'id', 'prev', 'next', 'height', 'time', 'blobs']);
      expect(block.prev).toBe(blocks[at - 1]?.id ?? null);
      expect(block.next).toBe(blocks[at + 1]?.id ?? null);
    }
    expect((await blockhub('cat', receipt.event, '--data', data)).stdout).toBe('hello');
    expect((await blockhub('verify', 'default', '--data', data)).code).toBe(0);
    expect((await fetch(`${mesh.probes}/readyz`)).status).toBe(200);
    expect((await fetch(`${mesh.probes}/livez`)).status).toBe(200);
    expect(await (await fetch(`${mesh.probes}/metrics`)).text()).toContain('blockhub_capture_requests_total');
    await stop(mesh);
    expect(mesh.stderr()).toBe('');

    const again = await start();
    const second = (await (await append(again, 'again')).json()) as { event: string; chain: string };
    expect(second.chain).toBe(receipt.chain);
    await quiet(data);
    expect((await walk()).length).toBeGreaterThan(blocks.length);
    await stop(again);
  });

  test('a chain that the command line creates, and blobs that it appends beside the running mesh, are of one chain', async () => {
    const mesh = await start();
    expect((await append(mesh, 'x', 'orders')).status).toBe(404);
    expect((await blockhub('create', 'orders', '--data', data)).code).toBe(0);
    // For a moment the process still has cached that there is no such chain.
    await until(async () => (await append(mesh, 'first', 'orders')).status === 201);
    await Promise.all([
      ...Array.from({ length: 20 }, async (_, n) => expect((await append(mesh, `mesh ${n}`, 'orders')).status).toBe(201)),
      ...Array.from({ length: 3 }, async (_, n) => {
        writeFileSync(join(data, `file-${n}`), `file ${n}`);
        expect((await blockhub('append', join(data, `file-${n}`), '--chain', 'orders', '--data', data)).code).toBe(0);
      }),
    ]);
    await quiet(data);
    const blobs = (await walk('orders')).flatMap((block) => block.blobs).filter(({ mime }) => !mime.includes('request'));
    expect(blobs.length).toBe(24);
    expect(new Set(blobs.map(({ event }) => event)).size).toBe(24);
    expect((await blockhub('verify', 'orders', '--data', data)).code).toBe(0);
    await stop(mesh);
  });
});

describe('what cannot work says so', () => {
  test('wrong settings: all mistakes at once, exit 2, nothing created', () => {
    const folder = join(data, 'new');
    const { status, stderr } = runOnce('--data', folder, '--port', 'http', '--body-limit', '-1', '--grup-ttl', '5s');
    expect(status).toBe(2);
    expect(stderr).toContain('--port');
    expect(stderr).toContain('--body-limit');
    expect(stderr).toContain('--group-ttl');
    expect(readdirSync(data)).toEqual([]);
  });

  test('--help shows every setting and exits 0', () => {
    const { status, stdout } = runOnce('--help');
    expect(status).toBe(0);
    for (const flag of ['--data', '--port', '--probe-port', '--body-limit', 'BLOCKHUB_DATA']) expect(stdout).toContain(flag);
  });

  test.each(['port', 'probePort'] as const)('a taken %s: exit 1, named, and the folder is free again', async (which) => {
    const server = createServer().listen(ports[which], '127.0.0.1');
    await once(server, 'listening');
    const { status, stderr } = runOnce('--data', data, '--port', String(ports.port), '--probe-port', String(ports.probePort));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('ADDRESS_IN_USE') });
    expect(stderr).toContain(`--${which === 'port' ? 'port' : 'probe-port'}`);
    server.close();
    await stop(await start());
  });

  test('a second process on the same data: exit 1, with the pid of the first, which goes on', async () => {
    const mesh = await start();
    const { status, stderr } = runOnce('--data', data, '--port', '0', '--probe-port', '0');
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('DATA_FOLDER_IN_USE') });
    expect(stderr).toContain(`: Process ${mesh.process.pid} works on ${data}. Stop that process, or use another --data.\n`);
    expect((await append(mesh, 'x')).status).toBe(201);
    await stop(mesh);
  });

  test('a path that is a file: exit 1', () => {
    writeFileSync(join(data, 'file'), '');
    const { status, stderr } = runOnce('--data', join(data, 'file'));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('DATA_FOLDER_UNUSABLE') });
  });

  test.each([
    ['broker.sqlite', 'BROKER_CORRUPT'],
    ['registry.sqlite', 'REGISTRY_CORRUPT'],
  ])('a corrupted %s: exit 1 with the fix; with that file moved away the chains are whole', async (file, code) => {
    const mesh = await start();
    await append(mesh, 'before');
    await quiet(data);
    await stop(mesh);
    const path = join(data, file);
    const { size } = statSync(path);
    for (const rest of ['-wal', '-shm']) rmSync(`${path}${rest}`, { force: true });
    writeFileSync(path, Buffer.alloc(size, 'damage'));
    const { status, stderr } = runOnce('--data', data, '--port', String(ports.port), '--probe-port', String(ports.probePort));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(code) });
    rmSync(path);
    const again = await start();
    await append(again, 'after');
    await quiet(data);
    expect((await walk()).flatMap(({ blobs }) => blobs).filter(({ length }) => length < 10).length).toBe(2);
    expect((await blockhub('verify', 'default', '--data', data)).code).toBe(0);
    await stop(again);
  });
});

const mounts = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
const withMounts = mounts ? describe : describe.skip;

withMounts('a file system of its own (needs root and mount; elsewhere skipped)', () => {
  let disk: string;
  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'blockhub-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
  });
  afterEach(() => {
    spawnSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  test('read-only: exit 1, clear', async () => {
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const { status, stderr } = runOnce('--data', join(disk, 'data'));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('DATA_FOLDER_UNUSABLE') });
  });

  test('full: senders get 503 and never a 2xx that is lost; with room again work goes on by itself', async () => {
    data = join(disk, 'data');
    const mesh = await start();
    const receipts = new Set<string>();
    const post = async (body: Buffer): Promise<number> => {
      const answer = await fetch(`${mesh.url}/append/chain/default`, { method: 'POST', body: new Uint8Array(body) });
      const text = (await answer.json()) as { event?: string; code?: string };
      if (answer.status === 201) receipts.add(String(text.event));
      return answer.status;
    };
    const ballast = join(disk, 'ballast');
    expect(await post(Buffer.alloc(100_000, '0'))).toBe(201);
    writeFileSync(ballast, '');
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k']);
    const statuses = new Set<number>();
    for (let n = 0; n < 40; n++) statuses.add(await post(Buffer.alloc(200_000, String(n))));
    expect([...statuses].filter((status) => status !== 201 && status !== 503)).toEqual([]);
    expect(statuses.has(503)).toBe(true);
    expect((await fetch(`${mesh.probes}/livez`)).status).toBe(200);
    truncateSync(ballast, 0);
    for (;;) if ((await post(Buffer.from('room'))) === 201) break;
    await quiet(data);
    const events = new Set((await walk()).flatMap(({ blobs }) => blobs.map(({ event }) => event)));
    expect([...receipts].filter((event) => !events.has(event))).toEqual([]);
    expect((await blockhub('verify', 'default', '--data', data)).code).toBe(0);
    await stop(mesh);
  }, 120_000);
});

test('the default chain is given by name, and created if there is none, or by the id of an existing chain', async () => {
  const named = await start('--default-chain', 'orders');
  const receipt = (await (await fetch(named.url, { method: 'POST', body: 'by name' })).json()) as { chain: string };
  await quiet(data);
  await stop(named);
  const other = runOnce('--data', data, '--port', '0', '--probe-port', '0', '--default-chain', 'ab'.repeat(32));
  expect([other.status, other.stderr]).toEqual([1, expect.stringMatching(/CHAIN_NOT_FOUND: --default-chain: no chain has the id abab/)]);
  const byId = await start('--default-chain', receipt.chain);
  expect((await fetch(byId.url, { method: 'POST', body: 'by id' })).status).toBe(201);
  await quiet(data);
  await stop(byId);
  const bodies = (await walk('orders')).flatMap(({ chain, blobs }) => blobs.map(({ length }) => [chain, length]));
  expect(bodies).toEqual(expect.arrayContaining([7, 5].map((length) => [receipt.chain, length])));
});

test('logs go to stdout, a JSON object a line, and to nowhere else', async () => {
  const mesh = await start('--log-level', 'debug');
  await stop(mesh);
  await until(() => /^\{"level":"info",.*"msg":"stopping"\}$/m.test(mesh.stdout()));
  expect(mesh.stderr()).toBe('');
});

test('secrets of a request are nowhere in the data', async () => {
  const mesh = await start('--log-level', 'debug');
  await fetch(`${mesh.url}/append/chain/default?token=qu3ry`, {
    method: 'POST',
    body: 'x',
    headers: { authorization: 'h3ader', cookie: 'c00kie' },
  });
  await quiet(data);
  await stop(mesh);
  for (const secret of ['qu3ry', 'h3ader', 'c00kie']) {
    expect(mesh.stdout() + mesh.stderr()).not.toContain(secret);
    expect(spawnSync('grep', ['-r', '-l', secret, data], { encoding: 'utf8' }).stdout).toBe('');
  }
});
