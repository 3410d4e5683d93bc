import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import { CloseLog, closeReason } from './errors.ts';

const words: Readonly<Record<number, string>> = { 320: 'CONNECTION-FORCED', 404: 'NOT-FOUND', 406: 'PRECONDITION-FAILED' };
/** As amqplib makes it of the frame. */
const closing = (code: number, text: string): Error =>
  Object.assign(new Error(`Channel closed by server: ${code} (${words[code] ?? 'WORD'}) with message "${text}"`), { code });

test.each<[number, string, RegExp]>([
  [
    406,
    'PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers doc guide to learn more',
    /^Raise consumer_timeout.*1800000.*26 minutes/,
  ],
  [406, 'PRECONDITION_FAILED - consumer ack timed out on channel 1', /./],
  [
    406,
    "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'a' in vhost '/': received '5' but current is '3'",
    /Correct the argument/,
  ],
  [406, 'PRECONDITION_FAILED - unknown delivery tag 5', /mistake in Blockhub/],
  [406, 'PRECONDITION_FAILED - message size 17000000 is larger than configured max size 16777216', /max_message_size.*maxMessageBytes/],
  [406, "PRECONDITION_FAILED - queue 'a' in vhost '/' in use", /policies/],
  [403, "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'x'", /set_permissions/],
  [403, "ACCESS_REFUSED - read access to queue 'a' in vhost '/' refused for user 'x'", /set_permissions/],
  [404, "NOT_FOUND - no queue 'a' in vhost '/'", /deleted while it was used/],
  [404, "NOT_FOUND - no exchange 'blockhub.delay.128' in vhost '/'", /deleted while it was used/],
  [405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'a' in vhost '/'", /BLOCKHUB_INSTANCE/],
  [530, 'NOT_ALLOWED - vhost nowhere not found', /add_vhost/],
  [530, "NOT_ALLOWED - access to vhost '/' refused for user 'x'", /set_permissions/],
  [530, 'NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)', /channel_max/],
  [530, "NOT_ALLOWED - access to vhost 'x' refused for user 'y': connection limit (2) is reached", /set_permissions|limit/],
  [530, 'NOT_ALLOWED - connection limit (2) is reached', /limit of connections/],
  [506, "RESOURCE_ERROR - cannot declare queue 'a': queue limit in vhost '/' (5) is reached", /max-queues/],
  [320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'", /operator or a shutdown/],
  [320, 'CONNECTION_FORCED - Closed via management plugin', /operator or a shutdown/],
  [320, "CONNECTION_FORCED - user 'x' is deleted", /Make the user again/],
  [320, "CONNECTION_FORCED - vhost 'x' is down", /restart_vhost/],
  [311, 'CONTENT_TOO_LARGE - too large', /max_message_size/],
  [541, 'INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.', /deprecated_features/],
  [541, 'INTERNAL_ERROR', /RabbitMQ failed/],
  [540, 'NOT_IMPLEMENTED - x', /3\.10/],
  [504, 'CHANNEL_ERROR - second open', /log of RabbitMQ/],
])('%i %s', (code, text, fix) => {
  expect(closeReason(closing(code, text))).toEqual({ reply: code, reason: text, fix: expect.stringMatching(fix) });
});

test('an error without a reply of the broker has no reason', () => {
  for (const other of [
    undefined,
    new Error('Heartbeat timeout'),
    Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
    { code: 406 },
  ])
    expect(closeReason(other)).toBeUndefined();
});

test('each reason is written once a minute for each place, and memory of them ends', () => {
  const clock = new VirtualClock();
  const lines: object[] = [];
  const none = (): void => {};
  const log = new CloseLog(clock, { debug: none, info: none, error: none, warn: (facts: object) => void lines.push(facts) } as never);
  for (let n = 0; n < 3; n++) log.write(closing(406, 'PRECONDITION_FAILED - unknown delivery tag 1'), { queue: 'a' });
  log.write(closing(404, 'NOT_FOUND - no queue'), { queue: 'a' });
  log.write(closing(406, 'PRECONDITION_FAILED - unknown delivery tag 1'), { queue: 'b' });
  log.write(new Error('cut'), { queue: 'a' });
  expect(lines).toEqual([
    { queue: 'a', reply: 406, reason: 'PRECONDITION_FAILED - unknown delivery tag 1', fix: expect.any(String) },
    expect.objectContaining({ queue: 'a', reply: 404 }),
    expect.objectContaining({ queue: 'b', reply: 406 }),
  ]);
  for (let n = 0; n < 2_000; n++) log.write(closing(406, 'x'), { queue: `q${n}` });
  expect(lines).toHaveLength(2_003);
});
