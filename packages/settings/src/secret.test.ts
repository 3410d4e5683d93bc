import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockhubError } from '@blockhub/errors';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parseSettings, type Source } from './parse.ts';
import { MAX_SECRET_BYTES, readSecret } from './secret.ts';
import { setting } from './setting.ts';

const utf16 = (text: string, bigEndian = false): Buffer => {
  const bytes = Buffer.from(text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

/** Bytes of a file → the secret. */
const taken: [string, string | Buffer, string][] = [
  ['as it is', 'HUNTER2', 'HUNTER2'],
  ['a line break', 'HUNTER2\n', 'HUNTER2'],
  ['CR LF', 'HUNTER2\r\n', 'HUNTER2'],
  ['CR alone', 'HUNTER2\r', 'HUNTER2'],
  ['several line breaks', 'HUNTER2\n\n\r\n\n', 'HUNTER2'],
  ['line breaks before it', '\r\n\nHUNTER2', 'HUNTER2'],
  ['blanks and tabs around', ' \tHUNTER2 \t\n', 'HUNTER2'],
  ['a blank that does not break', '\u00a0HUNTER2\u00a0', 'HUNTER2'],
  ['a byte order mark', '\ufeffHUNTER2', 'HUNTER2'],
  ['a byte order mark and a line break', '\ufeffHUNTER2\r\n', 'HUNTER2'],
  ['a byte order mark behind a line break', '\n\ufeffHUNTER2', 'HUNTER2'],
  ['a byte order mark at its end', 'HUNTER2\ufeff', 'HUNTER2'],
  ['blanks inside', 'HUN TER 2', 'HUN TER 2'],
  ['signs', '\'"`$(){}[]\\|&;<>*?#@:/%~^=+,.', '\'"`$(){}[]\\|&;<>*?#@:/%~^=+,.'],
  ['other letters', 'pässwörd-密码-🔑', 'pässwörd-密码-🔑'],
  ['a joined emoji', '👩\u200d🔑x', '👩\u200d🔑x'],
];

/** Bytes of a file → the message about them. */
const refused: [string, string | Buffer, RegExp][] = [
  ['nothing', '', /is empty$/],
  ['a line break', '\n', /is empty \(it contains only blanks and line breaks\)$/],
  ['blanks and line breaks', ' \t\r\n \n', /is empty/],
  ['a byte order mark alone', '\ufeff', /is empty/],
  ['a byte order mark and a line break', '\ufeff\r\n', /is empty/],
  ['a NUL at its end', 'HUNTER2\0', /a NUL \(0x00\) at byte 7/],
  ['a NUL at its end, behind a line break', 'HUNTER2\n\0', /a line break \(0x0a\) at byte 7/],
  ['a NUL at its beginning', '\0HUNTER2', /a NUL \(0x00\) at byte 0/],
  ['a NUL inside', 'HUN\0TER2', /a NUL \(0x00\) at byte 3/],
  ['NULs alone', '\0\0\0\0\0\0', /a NUL \(0x00\) at byte 0/],
  ['a NUL behind letters of two bytes', 'üü\0x', /at byte 4/],
  ['a NUL behind a byte order mark and blanks', '\ufeff  a\0', /at byte 6/],
  [
    'UTF-16 little endian',
    Buffer.concat([Buffer.of(0xff, 0xfe), utf16('HUNTER2')]),
    /UTF-16 \(little endian, with a byte order mark\).*byte 0/,
  ],
  ['UTF-16 big endian', Buffer.concat([Buffer.of(0xfe, 0xff), utf16('HUNTER2', true)]), /UTF-16 \(big endian, with.*byte 0/],
  ['UTF-16 little endian without mark', utf16('HUNTER2\r\n'), /UTF-16 \(little endian, without.*byte 1/],
  ['UTF-16 big endian without mark', utf16('HUNTER2\r\n', true), /UTF-16 \(big endian, without.*byte 0/],
  ['UTF-16 of other letters', utf16('пароль-секрет'), /(UTF-16|UTF-8|0x04)/],
  ['UTF-16 of a mark alone', Buffer.of(0xff, 0xfe), /UTF-16/],
  ['Latin 1', Buffer.from('pässword', 'latin1'), /not text in UTF-8: byte 1 is 0xe4/],
  ['a byte that is never in UTF-8', Buffer.from([0x61, 0xff, 0x62]), /byte 1 is 0xff/],
  ['a character that is cut', Buffer.from([0x61, 0xe2, 0x82]), /byte 1 is 0xe2/],
  ['a character that is broken off', Buffer.from([0x61, 0xe2, 0x82, 0x41]), /byte 1 is 0xe2/],
  ['an overlong slash', Buffer.from([0x61, 0xc0, 0xaf]), /byte 1 is 0xc0/],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80]), /byte 0 is 0xed/],
  ['gzip', Buffer.from('1f8b0800000000000003', 'hex'), /byte 1 is 0x8b/],
  ['what stands for lost bytes', 'p\ufffdss', /U\+FFFD.* at byte 1/],
  ['two lines', 'HUNTER2\nHUNTER3', /a line break \(0x0a\) at byte 7/],
  ['two lines of Windows', 'HUNTER2\r\nHUNTER3', /a line break \(0x0d\) at byte 7/],
  ['a line break of Unicode', 'HUN\u2028TER2', /a line break \(U\+2028\) at byte 3/],
  ['a tab inside', 'HUN\tTER2', /a tab \(0x09\) at byte 3/],
  ['an escape', '\u001b[31mHUNTER2', /the control character 0x1b at byte 0/],
  ['a backspace', 'HUNTER22\b', /the control character 0x08 at byte 8/],
  ['DEL', 'HUNTER2\u007f', /the control character 0x7f at byte 7/],
  ['a control character of two bytes', 'HUN\u0085TER2', /U\+0085\) at byte 3/],
  ['an invisible hyphen', 'HUN\u00adTER2', /the invisible character U\+00AD at byte 3/],
  ['an invisible blank', 'HUN\u200bTER2', /the invisible character U\+200B at byte 3/],
  ['an invisible blank around', '\u200bHUNTER2', /the invisible character U\+200B at byte 0/],
  ['a mark of direction', 'HUNTER2\u202e', /the invisible character U\+202E at byte 7/],
  ['a byte order mark inside', 'HUN\ufeffTER2', /a byte order mark \(U\+FEFF\) at byte 3/],
  ['another file', Buffer.alloc(MAX_SECRET_BYTES + 1, 'x'), /more than 1048576 bytes/],
];

const folder = mkdtempSync(join(tmpdir(), 'secret-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = {
  password: setting.text({ text: 'Password', secret: true }),
  tokens: setting.list({ text: 'Tokens', secret: true }),
};
const parse = (env: Source['env'], argv: string[] = []) => parseSettings(shape, { argv, env });

function mistakeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BlockhubError && error.code === 'SETTINGS_INVALID') return error.message;
    throw error;
  }
  return '';
}

const fileOf = (bytes: string | Buffer): string => {
  const file = join(folder, 'secret');
  writeFileSync(file, bytes);
  return file;
};

describe('the bytes of a secret', () => {
  test.each(taken)('with %s are taken from a file, a variable and a flag', (_, bytes, secret) => {
    expect(readSecret('it', Buffer.from(bytes))).toBe(secret);
    expect(parse({ BLOCKHUB_PASSWORD_FILE: fileOf(bytes) }).password).toBe(secret);
    expect(parse({ BLOCKHUB_PASSWORD: String(bytes) }).password).toBe(secret);
    expect(parse({}, [`--password=${bytes}`]).password).toBe(secret);
  });

  test.each(refused)('with %s are refused; setting, variable, file and byte are named, the secret is not', (_, bytes, why) => {
    const file = fileOf(bytes);
    const message = mistakeOf(() => readSecret(`the file "${file}"`, Buffer.from(bytes)));
    expect(message).toMatch(why);
    expect(message).toContain(file);
    const start = mistakeOf(() => parse({ BLOCKHUB_PASSWORD_FILE: file }));
    expect(start).toContain('password (--password, BLOCKHUB_PASSWORD, BLOCKHUB_PASSWORD_FILE): ');
    expect(start).toContain(`the file "${file}" that BLOCKHUB_PASSWORD_FILE names`);
    for (const text of [message, start]) expect(text).not.toMatch(/HUN|TER\d|пароль|pä/);
  });

  test.each(refused.filter(([, bytes]) => typeof bytes === 'string'))('with %s are refused in a variable and a flag', (_, bytes) => {
    const variable = mistakeOf(() => parse({ BLOCKHUB_PASSWORD: String(bytes) }));
    expect(variable).toContain('password (--password, BLOCKHUB_PASSWORD, BLOCKHUB_PASSWORD_FILE): BLOCKHUB_PASSWORD ');
    expect(variable).not.toMatch(/HUN|TER\d/);
    expect(mistakeOf(() => parse({}, [`--password=${bytes}`]))).toContain('password (--password');
  });

  test('that the system made U+FFFD of, in a variable that is not UTF-8', () => {
    const script = `process.stdout.write(JSON.stringify(process.env.BLOCKHUB_PASSWORD))`;
    const password: string = JSON.parse(
      execFileSync('/bin/sh', ['-c', `BLOCKHUB_PASSWORD=$(printf 'a\\377b') exec "${process.execPath}" -e '${script}'`], {
        encoding: 'utf8',
      }),
    );
    expect(mistakeOf(() => parse({ BLOCKHUB_PASSWORD: password }))).toMatch(/BLOCKHUB_PASSWORD contains U\+FFFD.* at byte 1/);
  });
});

describe('a list of secrets', () => {
  test.each<[string, string | Buffer]>([
    ['lines', 'one\ntwo\n'],
    ['lines of Windows', '\ufeffone\r\ntwo\r\n'],
    ['lines of old machines', 'one\rtwo\r'],
    ['empty lines', '\n\none\n\n  \n\ntwo\n\n'],
    ['blanks around', '  one \n\ttwo\t'],
    ['commas', 'one, two'],
    ['two files in one', '\ufeffone\n\ufefftwo\n'],
  ])('in a file with %s', (_, bytes) => {
    expect(parse({ BLOCKHUB_TOKENS_FILE: fileOf(bytes) }).tokens).toEqual(['one', 'two']);
    expect(parse({ BLOCKHUB_TOKENS: String(bytes) }).tokens).toEqual(['one', 'two']);
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['nothing', '', /is empty: write the secret into it, or unset BLOCKHUB_TOKENS_FILE/],
    ['a line break', '\n', /is empty/],
    ['commas', ' , ,\n,', /is empty \(it contains only blanks, line breaks and commas\)/],
    ['a byte order mark', '\ufeff\r\n', /is empty/],
    ['a NUL', 'one\ntwo\0\n', /a NUL \(0x00\) at byte 7/],
    ['UTF-16', utf16('one\r\ntwo\r\n'), /UTF-16/],
    ['a tab inside', 'one\nt\two', /a tab \(0x09\) at byte 5/],
    ['an empty part', 'HUN,,TER2', /separated by one comma .*, got a value that is secret and not shown/],
  ])('with %s is refused', (_, bytes, why) => {
    const message = mistakeOf(() => parse({ BLOCKHUB_TOKENS_FILE: fileOf(bytes) }));
    expect(message).toMatch(why);
    expect(message).toContain('tokens (--tokens, BLOCKHUB_TOKENS, BLOCKHUB_TOKENS_FILE): ');
    expect(message).not.toMatch(/HUN|TER2/);
  });
});

test.each<[string, () => Source['env'], RegExp]>([
  [
    'a file that is not there',
    () => ({ BLOCKHUB_TOKENS_FILE: '/nowhere/x' }),
    /"\/nowhere\/x" that BLOCKHUB_TOKENS_FILE names cannot be read \(ENOENT\)/,
  ],
  ['a folder', () => ({ BLOCKHUB_TOKENS_FILE: folder }), /cannot be read \(it is a folder/],
  ['a path that is empty', () => ({ BLOCKHUB_TOKENS_FILE: '' }), /BLOCKHUB_TOKENS_FILE is empty: write the path of a file, or unset/],
  ['a path of blanks', () => ({ BLOCKHUB_PASSWORD_FILE: ' \n' }), /BLOCKHUB_PASSWORD_FILE is empty/],
  ['a file without end', () => ({ BLOCKHUB_PASSWORD_FILE: '/dev/zero' }), /more than 1048576 bytes/],
  ['a variable that is empty', () => ({ BLOCKHUB_PASSWORD: '' }), /BLOCKHUB_PASSWORD is empty: write a value, or unset BLOCKHUB_PASSWORD/],
  ['an empty file beside a variable', () => ({ BLOCKHUB_TOKENS: 'one', BLOCKHUB_TOKENS_FILE: fileOf('') }), /are both set: unset one/],
  ['an empty path beside a variable', () => ({ BLOCKHUB_TOKENS: 'one', BLOCKHUB_TOKENS_FILE: '' }), /are both set: unset one/],
])('%s is refused', (_, env, why) => {
  mkdirSync(folder, { recursive: true });
  expect(mistakeOf(() => parse(env()))).toMatch(why);
});
