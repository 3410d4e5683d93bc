import { createServer } from 'node:net';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import { Link } from './link.ts';
import { parseAmqpUrl } from './url.ts';

test('an outage is logged at once and then once a minute, however often the broker is tried', async () => {
  // A port that was just free: whoever connects is refused.
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const clock = new VirtualClock();
  const lines: { failures: number }[] = [];
  const note = (facts: object): void => void lines.push(facts as { failures: number });
  const link = new Link({
    target: parseAmqpUrl(new URL(`amqp://127.0.0.1:${port}`)),
    name: 'test',
    clock,
    log: { info: note, warn: note, error: note },
    onUp: async () => {},
    onChange: () => {},
    onBlocked: () => {},
  });
  await link.open();
  expect(lines.map(({ failures }) => failures)).toEqual([1]);
  while (lines.length < 2) {
    await clock.advance(1_000);
    await new Promise(setImmediate);
  }
  expect(clock.ticks()).toBeGreaterThanOrEqual(60_000);
  expect(lines[1]?.failures).toBeGreaterThan(3);
  await link.close();
});
