import { expect, test } from '@jest/globals';
import { repeatedKey } from './repeated-key.ts';

test.each([
  ['[]', undefined],
  ['{"a":1,"b":2}', undefined],
  ['{"a":1,"a":2}', 'a'],
  ['{"a" \n:1, "a"\t: 2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['[{"a":1},{"a":2}]', undefined],
  ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', undefined],
  ['{"a":{"b":1,"c":[{"d":1,"d":2}]}}', 'd'],
  ['{"a":"a","b":"a"}', undefined],
  ['{"a":"\\"b\\":1","b":"{\\"b\\":[","c":"]}"}', undefined],
  ['{"b":"\\\\","b":1}', 'b'],
  ['{"":1,"":2}', ''],
  ['{"__proto__":1,"constructor":2}', undefined],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
])('of %s it is %j', (text, name) => {
  expect(() => JSON.parse(text)).not.toThrow();
  expect(repeatedKey(text)).toBe(name);
});
