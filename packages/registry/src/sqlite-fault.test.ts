import { BlockhubError } from '@blockhub/errors';
import { expect, test } from '@jest/globals';
import { explain, explainOpen } from './sqlite-fault.ts';

const raw = (errcode: number): Error => Object.assign(new Error('said SQLite'), { errcode });

test.each([
  [5, 'REGISTRY_UNAVAILABLE', /lsof/],
  [261, 'REGISTRY_UNAVAILABLE', /lsof/],
  [6, 'REGISTRY_UNAVAILABLE', /lsof/],
  [10, 'REGISTRY_UNAVAILABLE', /dmesg/],
  [778, 'REGISTRY_UNAVAILABLE', /dmesg/],
  [14, 'REGISTRY_UNAVAILABLE', /dmesg/],
  [13, 'REGISTRY_FULL', /df -i/],
  [8, 'REGISTRY_READ_ONLY', /right to write/],
  [1032, 'REGISTRY_READ_ONLY', /right to write/],
  [11, 'REGISTRY_CORRUPT', /^Delete what/],
  [26, 'REGISTRY_CORRUPT', /^Delete what/],
])('SQLite error %i is %s, with what helps', (errcode, code, fix) => {
  expect(explain(raw(errcode), '/r.sqlite')).toMatchObject({ code, fix: expect.stringMatching(fix), cause: { errcode } });
});

test('a file that may not be written when it is opened never may', () => {
  for (const errcode of [8, 14])
    expect(explainOpen(raw(errcode), '/r.sqlite')).toMatchObject({
      code: 'DATA_FOLDER_UNUSABLE',
      transient: false,
      fix: expect.stringMatching(/right to write/),
    });
  expect(explainOpen(raw(13), '/r.sqlite')).toMatchObject({ code: 'REGISTRY_FULL', transient: true });
});

test('an error that is not from SQLite stays as it is', () => {
  for (const error of [raw(1), new TypeError('x'), new BlockhubError('INTERNAL', 'x')]) expect(explain(error, '/r')).toBe(error);
});
