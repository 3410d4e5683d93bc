/** @group long: it waits until slow clients are cut off. */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Broker } from '@blockhub/broker';
import { describe, expect, test } from '@jest/globals';
import { raw, rawAnswer, startCapture } from '../capture-server.fixture.ts';

const post = (url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body, headers });

describe('slow and hostile clients', () => {
  test('connections over the limit are closed, those that are open are served', async () => {
    await using server = await startCapture({ maxConnections: 1 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = request(`${server.url}/append/chain/plain`, { method: 'POST', agent });
    const status = new Promise((resolve) => first.on('response', (response) => resolve(response.resume().statusCode)));
    first.write('x');
    await new Promise((resolve) =>
      first.on('socket', (socket) => (socket.connecting ? socket.on('connect', resolve) : resolve(undefined))),
    );
    expect(await raw(server.port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx', true)).toBe('');
    first.end();
    expect(await status).toBe(201);
    agent.destroy();
  });

  test('a body that never comes is cut off; others are served meanwhile', async () => {
    await using server = await startCapture({ requestTimeout: 1000, headersTimeout: 1000 });
    const slow = rawAnswer(server.port, 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhal');
    const slowHeaders = rawAnswer(server.port, 'POST /append/chain/plain HTTP/1.1\r\nhost:');
    expect((await post(`${server.url}/append/chain/plain`, 'quick')).status).toBe(201);
    expect(JSON.parse((await slow).text)).toMatchObject({ status: 408, code: 'REQUEST_TIMEOUT' });
    expect((await slowHeaders).status).toBe(408);
    expect((await server.ingress()).length).toBe(1);
  });

  test('a connection that sends nothing ends without an answer, and does not count as refused', async () => {
    await using server = await startCapture({ requestTimeout: 500, headersTimeout: 500 });
    expect(await raw(server.port, '', true)).toBe('');
    expect(await server.metrics()).not.toContain('REQUEST_TIMEOUT');
  });

  test('a connection that ends in the middle of a body leaves nothing behind, not even in the budget', async () => {
    await using server = await startCapture({ inFlightLimit: 100 });
    for (let n = 0; n < 20; n++) await raw(server.port, 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\nhalf');
    expect((await post(`${server.url}/append/chain/plain`, 'x'.repeat(100))).status).toBe(201);
    expect((await server.ingress()).length).toBe(1);
    expect(await server.metrics()).toContain('blockhub_capture_held_bytes 0');
  });

  test('bodies over the budget of all get 503 with Retry-After, and room comes back', async () => {
    await using server = await startCapture({ inFlightLimit: 100 });
    const held = request(`${server.url}/append/chain/plain`, { method: 'POST', headers: { 'content-length': 80 } });
    const heldAnswer = new Promise<number | undefined>((resolve) =>
      held.on('response', (response) => resolve(response.resume().statusCode)),
    );
    held.write('x'.repeat(79));
    let answer: Response;
    do answer = await post(`${server.url}/append/chain/plain`, 'y'.repeat(30));
    while (answer.status === 201);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await answer.json()).toMatchObject({ code: 'CAPTURE_BUSY' });
    held.end('x');
    expect(await heldAnswer).toBe(201);
    expect((await post(`${server.url}/append/chain/plain`, 'y'.repeat(30))).status).toBe(201);
  });

  describe('that are refused in the middle of their body', () => {
    const begun = 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nx';

    test('read the answer at once, and are not reset while they send the rest', async () => {
      await using server = await startCapture({ bodyLimit: 1000 });
      const socket = connect(server.port, '127.0.0.1', () => socket.write(begun));
      let answer = '';
      let sentAtEnd = 0;
      socket.on('data', (chunk) => {
        if (answer === '') socket.write('x'.repeat(999_998), () => socket.write('x'));
        answer += chunk;
      });
      socket.on('end', () => {
        sentAtEnd = socket.bytesWritten;
      });
      const failed = await new Promise((resolve) => socket.on('close', () => resolve(undefined)).on('error', resolve));
      expect(failed).toBeUndefined();
      expect(answer).toMatch(/^HTTP\/1.1 413 .*\r\nconnection: close\r\n.*"code":"BODY_TOO_LARGE"/s);
      expect(sentAtEnd).toBe(begun.length + 999_999);
    });

    test('are cut off where the rest never comes, without another answer', async () => {
      await using server = await startCapture({ bodyLimit: 1000, requestTimeout: 1000, headersTimeout: 1000 });
      expect((await raw(server.port, begun, true)).match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 413']);
    });
  });

  test('bodies that are announced and do not come keep no sender out', async () => {
    await using server = await startCapture({ inFlightLimit: 100 });
    const sockets = Array.from({ length: 5 }, () => connect(server.port, '127.0.0.1'));
    for (const socket of sockets) socket.write('POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 90\r\n\r\nx');
    while (!(await server.metrics()).includes('blockhub_capture_held_bytes 5')) await new Promise(setImmediate);
    expect((await post(`${server.url}/append/chain/plain`, 'y'.repeat(90))).status).toBe(201);
    for (const socket of sockets) socket.destroy();
  });

  describe('that send on without waiting for answers', () => {
    const one = 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n123456789';
    /** A broker that keeps publishes waiting until `open` is called. */
    const gated = () => {
      const gate = Promise.withResolvers<void>();
      const wrap = (broker: Broker): Broker =>
        new Proxy(broker, {
          get(target, name) {
            if (name === 'publish')
              return (messages: Parameters<Broker['publish']>[0]) => gate.promise.then(() => target.publish(messages));
            const value = Reflect.get(target, name) as unknown;
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      return { wrap, open: gate.resolve };
    };

    test('are cut off where too many requests wait', async () => {
      const { wrap, open } = gated();
      await using server = await startCapture({}, wrap);
      expect(await raw(server.port, one.repeat(1000), true)).toBe('');
      open();
      while (!(await server.metrics()).includes('blockhub_capture_held_bytes 0')) await new Promise(setImmediate);
      expect((await server.ingress()).length).toBeLessThanOrEqual(64);
    });

    test('and leave: the requests in line behind the first give their room back too', async () => {
      const { wrap, open } = gated();
      await using server = await startCapture({}, wrap);
      const socket = connect(server.port, '127.0.0.1', () => socket.write(one.repeat(20))).on('error', () => {});
      while (!(await server.metrics()).includes('blockhub_capture_held_bytes 180')) await new Promise(setImmediate);
      socket.resetAndDestroy();
      open();
      while (!(await server.metrics()).includes('blockhub_capture_held_bytes 0')) await new Promise(setImmediate);
    });

    test('get the answers of what was good before the one to bytes that are not HTTP', async () => {
      await using server = await startCapture();
      const answer = await raw(server.port, `${one}${one}NO HTTP\r\n\r\n`, true);
      expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 201', 'HTTP/1.1 400']);
      expect((await server.ingress()).length).toBe(2);
    });
  });

  test('a sender that leaves before its answer gives its room back once its body is published', async () => {
    const gate = Promise.withResolvers<void>();
    const entered: Promise<void>[] = [];
    const slow = (broker: Broker): Broker =>
      new Proxy(broker, {
        get(target, name) {
          if (name === 'publish') {
            return (messages: Parameters<Broker['publish']>[0]) => {
              const published = gate.promise.then(() => target.publish(messages));
              entered.push(published);
              return published;
            };
          }
          const value = Reflect.get(target, name) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    await using server = await startCapture({}, slow);
    const held = async (): Promise<number> => Number(/^blockhub_capture_held_bytes (\d+)/m.exec(await server.metrics())?.[1]);
    for (let n = 1; n <= 5; n++) {
      const socket = connect(server.port, '127.0.0.1').on('error', () => {});
      socket.write(`POST /append/chain/plain HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n${'x'.repeat(1000)}`);
      while (entered.length < n) await new Promise(setImmediate);
      socket.resetAndDestroy();
    }
    expect(await held()).toBe(5000);
    gate.resolve();
    await Promise.all(entered);
    while ((await held()) > 0) await new Promise(setImmediate);
    expect((await server.ingress()).length).toBe(5);
  });

  test('a body is held for as long as the broker or the store has it, not only until the answer', async () => {
    const gate = Promise.withResolvers<void>();
    const stuck = (broker: Broker): Broker =>
      new Proxy(broker, {
        get(target, name) {
          if (name === 'publish') return (messages: Parameters<Broker['publish']>[0]) => gate.promise.then(() => target.publish(messages));
          const value = Reflect.get(target, name) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    await using server = await startCapture({ inFlightLimit: 250, messageLimit: 80, confirmTimeout: 50 }, stuck);
    const create = server.store.create.bind(server.store);
    server.store.create = (...given) => gate.promise.then(() => create(...given));
    const send = async (length: number): Promise<unknown> => {
      const answer = await post(`${server.url}/append/chain/plain`, 'x'.repeat(length));
      return ((await answer.json()) as { code?: string }).code ?? answer.status;
    };
    expect(await send(80)).toBe('CAPTURE_UNCONFIRMED');
    expect(await send(120)).toBe('CAPTURE_UNCONFIRMED');
    expect(await send(80)).toBe('CAPTURE_BUSY');
    gate.resolve();
    while (!(await server.metrics()).includes('blockhub_capture_held_bytes 0')) await new Promise(setImmediate);
    expect(await send(80)).toBe(201);
  });

  test('a second request hidden behind the first is a request of its own', async () => {
    await using server = await startCapture();
    const one = 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1';
    const two = 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nconnection: close\r\n\r\n2';
    const answers = await raw(server.port, one + two, true);
    expect(answers.match(/HTTP\/1.1 201/g)?.length).toBe(2);
    expect((await server.ingress()).map(({ body }) => body.toString())).toEqual(['1', '2']);
  });
});
