/** @group long: it waits until requests that stall are cut off. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHealth, type Health } from './health.ts';
import { createLogger, silentLogger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { type RunningProbes, startProbes } from './probes.ts';

let health: Health;
let metrics: Metrics;
let probes: RunningProbes;
const lines: string[] = [];

beforeEach(async () => {
  health = createHealth();
  metrics = createMetrics();
  const log = createLogger({ name: 'x', stream: { write: (line) => lines.push(line) } });
  probes = await startProbes({ host: '127.0.0.1', port: 0, health, metrics, log, version: { name: 'deploy', version: '0.1.0' } });
});
afterEach(() => probes.close());

const ask = (path: string, init?: RequestInit): Promise<Response> => fetch(`http://127.0.0.1:${probes.port}${path}`, init);

/** Sends raw bytes and returns what comes back until the connection ends. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(probes.port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

/** Sends a header line each half second and never ends the headers. */
function dribble(): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(probes.port, '127.0.0.1', () => socket.write('GET /livez HTTP/1.1\r\n'));
    const timer = setInterval(() => socket.write('X: y\r\n'), 500);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      resolve('');
    });
    socket.resume();
  });
}

/** The server's end of the next connection to this port. */
function accepted(port: () => number): Promise<Socket> {
  return new Promise((resolve) => {
    const take = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      if (socket.localPort !== port()) return;
      unsubscribe('net.server.socket', take);
      resolve(socket);
    };
    subscribe('net.server.socket', take);
  });
}

/**
 * Asks for a long answer and reads it only after the server closed the connection. Returns what was
 * sent.
 */
async function readNothing(): Promise<string> {
  const version = { text: 'x'.repeat(30_000_000) };
  const long = await startProbes({ host: '127.0.0.1', port: 0, health, metrics, log: silentLogger, version });
  const far = accepted(() => long.port);
  const near = connect(long.port, '127.0.0.1', () => near.write('GET /version HTTP/1.1\r\nHost: x\r\n\r\n'));
  near.pause().on('error', () => {});
  await once(await far, 'close');
  let text = '';
  near.on('data', (chunk) => {
    text += chunk;
  });
  near.resume();
  await once(near, 'close');
  await long.close();
  return text;
}

describe('health', () => {
  test('is ready when there are checks and all hold', () => {
    const fresh = createHealth();
    expect(fresh.report()).toEqual({ ready: false, checks: {} });
    fresh.set('broker', false, 'cannot reach amqp://me:HUNTER2@host');
    fresh.set('store', true);
    expect(fresh.report()).toEqual({
      ready: false,
      checks: { broker: { ok: false, detail: 'cannot reach amqp://[hidden]@host' }, store: { ok: true } },
    });
    fresh.set('broker', true);
    expect(fresh.report()).toEqual({ ready: true, checks: { broker: { ok: true }, store: { ok: true } } });
  });
});

test('health can be scraped', async () => {
  const metrics = createMetrics();
  const fresh = createHealth(metrics);
  fresh.set('broker', true);
  fresh.set('store', false);
  const before = await metrics.text();
  fresh.set('store', true);
  expect(before.match(/^blockhub_.*/gm)).toEqual([
    'blockhub_ready 0',
    'blockhub_check{check="broker"} 1',
    'blockhub_check{check="store"} 0',
  ]);
  expect(await metrics.text()).toMatch(/^blockhub_ready 1$/m);
});

describe('answers', () => {
  test('alive whatever the checks say', async () => {
    health.set('broker', false);
    const response = await ask('/livez');
    expect([response.status, await response.json()]).toEqual([200, { alive: true }]);
  });

  test('ready only while all checks hold', async () => {
    for (const [ok, status] of [
      [false, 503],
      [true, 200],
      [false, 503],
    ] as const) {
      health.set('broker', ok, 'x');
      const response = await ask('/readyz?verbose');
      expect([response.status, await response.json()]).toEqual([status, { ready: ok, checks: { broker: { ok, detail: 'x' } } }]);
    }
  });

  test('metrics and version', async () => {
    metrics.counter('blockhub_x_total', 'X').add(2);
    const response = await ask('/metrics');
    expect([response.status, response.headers.get('content-type')]).toEqual([200, metrics.contentType]);
    expect(await response.text()).toContain('\nblockhub_x_total 2\n');
    expect(await (await ask('/version')).json()).toEqual({ name: 'deploy', version: '0.1.0', node: process.versions.node });
  });

  test('HEAD has the headers only', async () => {
    const answer = await raw('HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/content-length: 15\r\n/i);
    expect(answer).toMatch(/\r\n\r\n$/);
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is refused', async (method) => {
    const response = await ask('/livez', { method, ...(method === 'POST' ? { body: 'x'.repeat(100_000) } : {}) });
    expect([response.status, response.headers.get('allow'), (await response.json()) as unknown]).toEqual([
      405,
      'GET, HEAD',
      { code: 'METHOD_NOT_ALLOWED', message: 'use GET or HEAD' },
    ]);
  });

  test.each(['/', '/livez/', '/Livez', '/metrics/../livez/x', '//livez', '/__proto__'])('%s is not there', async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('"ROUTE_NOT_FOUND"');
  });

  test('a failure is a 500 and a line in the log', async () => {
    const broken = await startProbes({
      host: '127.0.0.1',
      port: 0,
      health,
      metrics: { ...metrics, text: () => Promise.reject(new Error('boom')) },
      log: createLogger({ name: 'x', stream: { write: (line) => lines.push(line) } }),
    });
    const response = await fetch(`http://127.0.0.1:${broken.port}/metrics`);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([500, 'INTERNAL']);
    expect(lines.at(-1)).toContain('boom');
    await broken.close();
  });
});

describe('hostile clients', () => {
  test('garbage is a 400', async () => expect(await raw('\u0000\u0001 nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /));

  test('too many headers are a 431', async () => {
    expect(await raw(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('clients that stall are cut off', async () => {
    const read = readNothing();
    const answers = await Promise.all([raw(''), raw('GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: '), dribble()]);
    for (const answer of answers) expect(answer).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect((await read).length).toBeLessThan(30_000_000);
  });

  test('open connections do not hold up the end', async () => {
    const pending = raw('GET /livez HTTP/1.1\r\nHost: x\r\n').catch(() => 'reset');
    await ask('/livez');
    await probes.close();
    await probes.close();
    // A 408 would mean that close() waited for the time-out of the headers.
    expect(await pending).not.toContain('408');
  });
});

describe('an address that cannot be used', () => {
  test('in use: names host, port and setting', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(startProbes({ host: '127.0.0.1', port, health, metrics, log: silentLogger })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: `Another program already listens on 127.0.0.1:${port}. Stop it, or set another port with --probe-port (BLOCKHUB_PROBE_PORT).`,
      details: { host: '127.0.0.1', port, setting: 'probePort' },
    });
    other.close();
  });

  test('not of this machine', async () => {
    await expect(startProbes({ host: '203.0.113.1', port: 0, health, metrics, log: silentLogger })).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
      message: expect.stringContaining('--probe-host (BLOCKHUB_PROBE_HOST)'),
    });
  });
});

test.each(['[::1]', '::1', ' 127.0.0.1 '])('the host %j is taken', async (host) => {
  const one = await startProbes({ host, port: 0, health, metrics, log: silentLogger });
  const url = `http://${host.includes(':') ? '[::1]' : '127.0.0.1'}:${one.port}/livez`;
  expect((await fetch(url)).status).toBe(200);
  await one.close();
});
