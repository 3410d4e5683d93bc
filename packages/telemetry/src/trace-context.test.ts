import { expect, test } from '@jest/globals';
import { formatTraceparent, parseTraceparent } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test.each([
  [`00-${traceId}-${spanId}-01`, true],
  [`00-${traceId}-${spanId}-00`, false],
  [`00-${traceId}-${spanId}-03`, true],
  [`cc-${traceId}-${spanId}-01`, true],
  [`cc-${traceId}-${spanId}-01-what-comes-later`, true],
])('%s is read', (traceparent, sampled) => {
  expect(parseTraceparent(traceparent)).toEqual({ traceId, spanId, sampled });
});

test.each([
  undefined,
  7,
  '',
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-01-more`,
  `ff-${traceId}-${spanId}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId}-${spanId}-0x`,
  ` 00-${traceId}-${spanId}-01`,
])('%p is none', (traceparent) => {
  expect(parseTraceparent(traceparent)).toBeUndefined();
});

test('what is written is read again', () => {
  for (const sampled of [true, false])
    expect(parseTraceparent(formatTraceparent({ traceId, spanId, sampled }))).toEqual({ traceId, spanId, sampled });
});
