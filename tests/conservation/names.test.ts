import { expect, test } from '@jest/globals';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import { judgeNames, type Try } from './names.ts';

const chain: SampleChain = { id: 'c', name: 'chain', crypt: 'sha256', requests: false };
const receipt = (event: string): Sent['answer'] => ({
  status: 201,
  receipt: { event, chain: 'c', hash: 'h', crypt: 'sha256', length: 1, receivedAt: 'now' },
});
const lost: Sent['answer'] = { status: 0, code: 'reset' };
/** Tries, each 1 s after the one before. */
const named = (...answers: Sent['answer'][]) => [
  { name: 'n', chain, hash: 'h', tries: answers.map((answer, n): Try => ({ from: n * 1000, to: n * 1000 + 10, answer })) },
];
const sentOf = (...answers: Sent['answer'][]): Sent[] => answers.map((answer) => ({ chain, hash: 'h', answer }));

test('a name is one event, by the first receipt of any try', () => {
  expect(judgeNames(named(lost, receipt('a'), receipt('a')), [])).toEqual({ sent: sentOf(receipt('a')), untrue: [], single: 1 });
  expect(judgeNames(named(lost, { status: 503, code: 'REGISTRY_UNAVAILABLE' }), [])).toEqual({ sent: sentOf(lost), untrue: [], single: 1 });
});

test('two events of one name are untrue, and so are two receipts of one event, and answers that make the sender give up', () => {
  expect(judgeNames(named(receipt('a'), receipt('b')), []).untrue).toEqual(['receipts of a, b, all named n']);
  const later = receipt('a');
  const other = { ...later, receipt: { ...(later.receipt as NonNullable<typeof later.receipt>), receivedAt: 'later' } };
  expect(judgeNames(named(receipt('a'), other), []).untrue).toEqual(['two receipts of a, named n']);
  expect(judgeNames(named(receipt('a'), { status: 422, code: 'IDEMPOTENCY_KEY_REUSED' }), []).untrue).toHaveLength(1);
});

test('each time that the registry lost its content, between the first try and the last, makes one more event', () => {
  const loss = { from: 500, to: 600 };
  expect(judgeNames(named(receipt('a'), receipt('b')), [loss])).toEqual({
    sent: sentOf(receipt('a'), receipt('b')),
    untrue: [],
    single: 0,
  });
  expect(judgeNames(named(receipt('a'), receipt('a')), [loss]).sent).toEqual(sentOf(receipt('a'), lost));
  expect(judgeNames(named(receipt('a'), receipt('b'), receipt('c')), [loss]).untrue).toHaveLength(1);
});

test('a loss before the first try or after the last receipt does not count; a try without a receipt may come late', () => {
  const before = { from: -20, to: -10 };
  const behind = { from: 2000, to: 2100 };
  expect(judgeNames(named(receipt('a'), receipt('a')), [before, behind]).sent).toHaveLength(1);
  expect(judgeNames(named(receipt('a'), lost), [before, behind]).sent).toHaveLength(2);
});
