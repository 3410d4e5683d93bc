import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { freePort, startStandalone, until } from './standalone.ts';

const OPEN_FILES = 200;

test('if few files may be open, the limit of connections is lower: the others are refused and counted, and probes and capture go on', async () => {
  const data = mkdtempSync(join(tmpdir(), 'blockhub-files-'));
  const ports = { port: await freePort(), probePort: await freePort() };
  const mesh = await startStandalone(data, ports, [], {}, OPEN_FILES);
  const sockets: Socket[] = [];
  const closed = new Set<Socket>();
  try {
    const lines = (): Record<string, unknown>[] =>
      mesh
        .stdout()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const promise = lines().find(({ msg }) => msg === 'the limit of open files lowers --max-connections');
    expect(promise).toMatchObject({ level: 'warn', maxConnections: 10_000, openFilesLimit: OPEN_FILES, taken: expect.any(Number) });
    const taken = promise?.taken as number;
    expect(promise?.fix).toContain(`set --max-connections to ${taken}`);
    expect(taken).toBeLessThanOrEqual(OPEN_FILES / 2);
    for (let n = 0; n < OPEN_FILES + 50; n++) {
      const socket = connect(ports.port, '127.0.0.1');
      socket.on('error', () => {}).on('close', () => closed.add(socket));
      sockets.push(socket);
      await once(socket, 'connect');
    }
    const refused = OPEN_FILES + 50 - taken;
    await until(() => closed.size === refused, 5);
    const metrics = await (await fetch(`${mesh.probes}/metrics`)).text();
    expect(metrics).toMatch(new RegExp(`blockhub_capture_connections_refused_total\\{reason="limit"[^}]*\\} ${refused}`));
    expect(metrics).toMatch(/blockhub_capture_connections_refused_total\{reason="descriptors"[^}]*\} 0/);
    expect(lines().filter(({ msg }) => msg === 'connections are refused')).toMatchObject([{ reason: 'limit', maxConnections: taken }]);
    expect((await fetch(`${mesh.probes}/readyz`)).status).toBe(200);
    // A connection that was accepted is served: store, broker and registry can open files.
    const open = sockets.find((socket) => !closed.has(socket));
    open?.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx');
    const [answer] = await once(open as Socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 201 /);
  } finally {
    for (const socket of sockets) socket.destroy();
    mesh.process.kill('SIGKILL');
    await mesh.ended;
    rmSync(data, { recursive: true, force: true });
  }
});
