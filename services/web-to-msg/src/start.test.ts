import type { Broker } from '@blockhub/broker';
import { expect, test } from '@jest/globals';
import { startCapture } from './capture-server.fixture.ts';
import { AUDIENCE, startIssuer } from './rules/issuer.fixture.ts';

/** A broker on which nobody declared this queue, and this process may not. */
const without =
  (missing: string) =>
  (broker: Broker): Broker => {
    const queues = broker.queues.bind(broker);
    broker.declare = async () => undefined;
    broker.queues = async () => (await queues()).filter(({ name }) => name !== missing);
    return broker;
  };

/** How many sockets this process listens on. */
const listening = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;

test.each(['ingress', 'dead-letter'])('without its queue %s it does not listen, and says which one it is', async (missing) => {
  const before = listening();
  await expect(startCapture({}, without(missing))).rejects.toMatchObject({
    code: 'BROKER_QUEUE_MISSING',
    message: expect.stringContaining(missing),
  });
  expect(listening()).toBe(before);
  await using _ = await startCapture();
  expect(listening()).toBeGreaterThan(before);
});

test('a wrong spelling of the issuer of JWTs is seen at the start, before anybody sends one', async () => {
  await using issuer = await startIssuer();
  const jwtIssuer = issuer.url.replace(/\/$/, '');
  await using capture = await startCapture({ jwtIssuer, jwtAudience: AUDIENCE });
  const told = () => capture.health().checks['jwt-issuer'];
  while (!told()) await new Promise((resolve) => setImmediate(resolve));
  expect(told()).toEqual({
    ok: false,
    detail: expect.stringContaining(`expected the issuer "${jwtIssuer}", got "${issuer.url}"; they differ only in the slash at the end`),
  });
});

test.each([
  ['[::1]', 'http://[::1]:'],
  ['::1', 'http://[::1]:'],
  ['127.0.0.1', 'http://127.0.0.1:'],
])('the host %s is listened on', async (host, url) => {
  await using server = await startCapture({ host });
  expect(server.url.startsWith(url)).toBe(true);
  expect((await fetch(server.url, { method: 'POST', body: 'x' })).status).toBe(201);
});

test.each([
  ['203.0.113.1', '--host (BLOCKHUB_HOST)', 'SETTINGS_INVALID'],
  ['[::1]:8080', '--host (BLOCKHUB_HOST)', 'SETTINGS_INVALID'],
  ['127.0.0.1', '--port (BLOCKHUB_PORT)', 'ADDRESS_IN_USE'],
])('where it cannot listen (%s), it names the flag %s', async (host, flag, code) => {
  await using other = await startCapture();
  const port = host === '127.0.0.1' ? other.port : 0;
  await expect(startCapture({ host, port })).rejects.toMatchObject({ code, message: expect.stringContaining(flag) });
});
