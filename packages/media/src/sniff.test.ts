import { expect, describe as group, test } from '@jest/globals';
import { describe, sniff } from './index.ts';
import { almostTexts, files, texts } from './samples.fixture.ts';

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

group('what is sniffed', () => {
  test.each(files)('%s: %s', async (mime, _name, bytes) => {
    expect(await sniff(bytes)).toBe(mime);
    // Whatever follows, also where it is text.
    if (bytes.length >= 512 || !/^(?:text|application\/x-cpio)/.test(mime))
      expect(await sniff(Buffer.concat([bytes, Buffer.alloc(6000, 'and text follows\n')]))).toBe(mime);
  });

  test.each(texts.map((text) => [shown(text), text]))('is nothing in the text %s', async (_shown, text) => {
    expect(await sniff(Buffer.from(text))).toBeUndefined();
    expect(['text/plain', 'application/json']).toContain(await describe(Buffer.from(text)));
    expect(await sniff(Buffer.from(text, 'latin1'))).toBeUndefined();
    expect(await sniff(Buffer.from(`${text}\r\nGrüße, and more of it\t…\r\n`.repeat(20)))).toBeUndefined();
  });

  test.each(almostTexts.map((text) => [shown(text), text]))('is nothing in %s, which has a control character', async (_shown, text) => {
    expect(await sniff(Buffer.from(text))).toBeUndefined();
    expect(await sniff(Buffer.from(`${text}${' and the message goes on'.repeat(40)}`))).toBeUndefined();
  });

  test('does no harm: broken and endless formats', async () => {
    for (const start of [
      '504b0304',
      '3026b2758e66cf11a6d900aa0062ce6c',
      '1a45dfa3',
      '494433',
      '4f676753',
      'fffb',
      '424d',
      '1f8b08',
      '89504e470d0a1a0a',
    ])
      for (const fill of [0, 0xff, 0x41])
        expect([undefined, expect.any(String)]).toContainEqual(
          await sniff(Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(100_000, fill)])),
        );
  });

  test('a program is found however its first bytes are made to look', async () => {
    const program = Buffer.alloc(5000, 'A text, as it seems. ');
    program.write('MZ');
    program.writeUInt32LE(4500, 60);
    program.write('PE\0\0', 4500);
    expect(await sniff(program)).toBe('application/x-msdownload');
  });
});

test.each([
  ['{"a":[1]}', 'application/json'],
  ['{a}', 'text/plain'],
  ['hello', 'text/plain'],
  ['', 'text/plain'],
  ['\0\x01', 'application/octet-stream'],
])('%j is described as %s', async (text, expected) => {
  expect(await describe(Buffer.from(text))).toBe(expected);
});

test.each([
  ['grüß', 'iso-8859-1', 'text/plain'],
  ['grüß', undefined, 'application/octet-stream'],
])('%j in Latin-1 is described by the charset %s as %s', async (text, charset, expected) => {
  expect(await describe(Buffer.from(text, 'latin1'), charset)).toBe(expected);
});
