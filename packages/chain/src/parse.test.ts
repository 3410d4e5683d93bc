import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { buildBlock } from './build.ts';
import { hashOf } from './hash.ts';
import { blockId, parseBlock } from './parse.ts';
import { crypts, groups, sampleReceipt, sampleRoot, sampleTail } from './samples.ts';

/** The path in BLOCK_INVALID, or undefined when the bytes are a block. */
function invalid(bytes: Uint8Array): unknown {
  try {
    parseBlock(bytes);
  } catch (error) {
    if (error instanceof BlockhubError && error.code === 'BLOCK_INVALID') return error.details.path;
    throw error;
  }
  return undefined;
}

/** An object of these texts, with the right hash of the second. */
const objectOf = (line: string, json: string): Buffer => Buffer.from(`${line}\n${hashOf('sha256', Buffer.from(json))} ${json}\n`);

const partsOf = (bytes: Buffer): [line: string, json: string] => {
  const [line = '', beside = ''] = bytes.toString().split('\n');
  return [line, beside.slice(65)];
};

const receipts = [sampleReceipt('sha256', 1), sampleReceipt('sha256', 2, { mime: 'a/b', x: 1 })];
const link = buildBlock(sampleTail('sha256'), receipts).bytes;
const [line, json] = partsOf(link);
const [rootLine, rootJson] = partsOf(sampleRoot('sha256').bytes);

/** Replaces text; throws if there is none. */
function swap(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the sample does not hold ${from}`);
  return text.replace(from, () => to);
}

describe('parseBlock', () => {
  test('takes what was built, from any part of a buffer', () => {
    expect(invalid(objectOf(line, json))).toBeUndefined();
    expect(invalid(objectOf(rootLine, rootJson))).toBeUndefined();
    const padded = new Uint8Array([9, ...link, 9]);
    expect(parseBlock(padded.subarray(1, -1))).toEqual(parseBlock(link));
  });

  const event = receipts[0]?.event as string;
  const items = line.slice('{"blobs":['.length, line.indexOf('],"chain"'));
  const [first = '', second = ''] = items.split(/(?<=\}),/);
  const lines: [what: string, path: string, line: string][] = [
    ['white space between', '/line1', swap(line, '"chain":', '"chain": ')],
    ['white space before', '/line1', ` ${line}`],
    ['white space after', '/line1', `${line} `],
    ['carriage return', '/line1', `${line}\r`],
    ['byte order mark', '/line1', `\ufeff${line}`],
    ['key twice', '/line1', swap(line, '"v":1', '"v":1,"v":1')],
    ['key twice, the first one other', '/line1', swap(line, '"height":1', '"height":2,"height":1')],
    ['key of an item twice', '/line1', swap(line, '"crypt":"sha256"', '"crypt":"md5","crypt":"sha256"')],
    ['unknown key', '/line1', swap(line, '"v":1', '"v":1,"w":1')],
    ['unknown key of an item', '/line1', swap(line, '"crypt"', '"a":1,"crypt"')],
    ['unsorted keys', '/line1', `{"v":1,${line.slice(1, -7)}}`],
    ['float', '/line1', swap(line, '"height":1', '"height":1.0')],
    ['exponent', '/line1', swap(line, '"height":1', '"height":1e0')],
    ['fraction', '/line1/blobs/0/length', swap(line, '"length":6', '"length":6.5')],
    ['minus zero', '/line1/blobs/0/length', swap(line, '"length":6', '"length":-0')],
    ['negative', '/line1/blobs/0/length', swap(line, '"length":6', '"length":-6')],
    ['unsafe integer', '/line1/blobs/0/length', swap(line, '"length":6', '"length":9007199254740993')],
    ['number as text', '/line1/blobs/0/length', swap(line, '"length":6', '"length":"6"')],
    ['escaped letter', '/line1', swap(line, '"chain"', '"\\u0063hain"')],
    ['escaped value', '/line1', swap(line, '"sha256"', '"sha25\\u0036"')],
    ['upper-case hash', '/line1/blobs/0/hash', swap(line, receipts[0]?.hash as string, receipts[0]?.hash.toUpperCase() as string)],
    ['no version', '/line1/v', swap(line, ',"v":1', '')],
    ['other version', '/line1/v', swap(line, '"v":1', '"v":2')],
    ['no blobs', '/line1/blobs', swap(line, items, '')],
    ['blobs in the wrong order', '/line1/blobs/1/event', swap(line, items, `${second},${first}`)],
    ['a blob twice', '/line1/blobs/1/event', swap(line, items, `${first},${first}`)],
    ['event that is none', '/line1/blobs/0/event', swap(line, event, event.replace('-7', '-4'))],
    ['time before the newest event', '/line1/time', line.replace(/"time":\d+/, '"time":1')],
    ['prevSha256 on a sha256 chain', '/line1/prevSha256', swap(line, ',"time"', `,"prevSha256":"${'0'.repeat(64)}","time"`)],
    ['height 0', '/line1/height', swap(line, '"height":1', '"height":0')],
    ['height that contradicts prev', '/line1/prev', swap(line, '"height":1', '"height":2')],
    ['null', '/line1', 'null'],
    ['array', '/line1', '[]'],
    ['empty', '/line1', ''],
  ];
  test.each(lines)('first line: %s', (_, path, changed) => {
    expect(invalid(objectOf(changed, json))).toBe(path);
  });

  const rootLines: [what: string, path: string, line: string][] = [
    ['unknown setting', '/line1/settings/colour', swap(rootLine, '"settings":{', '"settings":{"colour":1,')],
    ['setting of another type', '/line1/settings/requests', swap(rootLine, '"requests":false', '"requests":0')],
    ['name that is none', '/line1/name', swap(rootLine, '"orders"', '"Orders"')],
    ['name null', '/line1/name', swap(rootLine, '"orders"', 'null')],
    ['unsorted payload', '/line1', swap(rootLine, '{"by":"é","n":[1,-2]}', '{"n":[1,-2],"by":"é"}')],
    ['key of the payload twice', '/line1', swap(rootLine, '{"by":"é",', '{"by":"e","by":"é",')],
    ['float in the payload', '/line1/payload/n/1', swap(rootLine, '-2', '-2.5')],
    ['minus zero in the payload', '/line1', swap(rootLine, '-2', '-0')],
    ['no salt', '/line1/salt', rootLine.replace(/"salt":"[^"]*",/, '')],
    ['no settings', '/line1', rootLine.replace(/"settings":\{[^}]*\},/, '')],
    ['other hash function', '/line1/crypt', swap(rootLine, '"crypt":"sha256"', '"crypt":"sha512"')],
    ['height', '/line1', swap(rootLine, '"height":0', '"height":1')],
  ];
  test.each(rootLines)('first line of a root: %s', (_, path, changed) => {
    expect(invalid(objectOf(changed, rootJson))).toBe(path);
  });

  const besides: [what: string, path: string, json: string][] = [
    ['white space', '/line2', swap(json, '"blobs":', '"blobs": ')],
    ['white space after', '/line2', `${json} `],
    ['key twice', '/line2', swap(json, '"keys"', '"keys":[],"keys"')],
    ['name of meta twice', '/line2', swap(json, '"mime":"a/b"', '"mime":"c/d","mime":"a/b"')],
    ['unknown key', '/line2', swap(json, '{"keys"', '{"a":1,"keys"')],
    ['keys after blobs', '/line2', `{${json.slice(json.indexOf('"blobs"'), -1)},${json.slice(1, json.indexOf(',"blobs"'))}}`],
    ['float', '/line2', swap(json, '"x":1', '"x":1.0')],
    ['row too many', '/line2/blobs', `${json.slice(0, -2)},[0,0,{}]]}`],
    ['row too few', '/line2/blobs', `${json.slice(0, json.lastIndexOf(',['))}]}`],
    ['row too long', '/line2', swap(json, '"x":1}]', '"x":1},1]')],
    ['row that is none', '/line2/blobs/0', swap(json, '[0,100,{"mime":"text/plain"}]', '{}')],
    ['key that is not there', '/line2/blobs/0/at/key', swap(json, '[0,100', '[1,100')],
    ['index as text', '/line2', swap(json, '[0,100', '["0",100')],
    ['key not used', '/line2', swap(json, '"],"blobs"', '","other"],"blobs"')],
    ['key twice in the list', '/line2', json.replace(/\["([^"]*)"\]/, '["$1","$1"]').replace('[0,200', '[1,200')],
    ['negative offset', '/line2/blobs/0/at/offset', swap(json, '[0,100', '[0,-1')],
    ['meta null', '/line2/blobs/1/meta/x', swap(json, '"x":1', '"x":null')],
    ['meta nested', '/line2/blobs/1/meta/x', swap(json, '"x":1', '"x":[]')],
    ['meta that is a field', '/line2/blobs/1/meta/hash', swap(json, '"x":1', '"hash":"x"')],
    ['null', '/line2', 'null'],
    ['empty', '/line2', ''],
  ];
  test.each(besides)('second line: %s', (_, path, changed) => {
    expect(invalid(objectOf(line, changed))).toBe(path);
  });

  test('the object is two lines and nothing else', () => {
    const object = link.toString();
    const beside = object.slice(line.length + 1);
    const bad = [
      '',
      line,
      `${line}\n`,
      object.slice(0, -1),
      `${object}\n`,
      `${object}x`,
      `\n${object}`,
      `${object}${object}`,
      `${line}\n\n${beside}`,
      `${line}\n${json}\n`,
      swap(object, '\n', '\r\n'),
    ];
    for (const text of bad) expect([text, typeof invalid(Buffer.from(text))]).toEqual([text, 'string']);
  });

  test('the second line has the hash that it begins with', () => {
    expect(invalid(Buffer.from(swap(link.toString(), '"x":1', '"x":2')))).toBe('/line2');
    const upper = link.toString().replace(/\n[0-9a-f]{64} /, (hash) => hash.toUpperCase());
    expect(invalid(Buffer.from(upper))).toBe('/line2');
  });

  test('bytes that are not UTF-8 are not taken for those that replace them', () => {
    const replaced = objectOf(swap(rootLine, 'é', '\ufffd'), rootJson);
    expect(invalid(replaced)).toBeUndefined();
    const at = replaced.indexOf(Buffer.from('\ufffd'));
    const broken = Buffer.concat([replaced.subarray(0, at), Buffer.from([0xff]), replaced.subarray(at + 3)]);
    expect(invalid(broken)).toBe('/line1');
    const meta = objectOf(line, swap(json, 'a/b', '\ufffd'));
    const place = meta.indexOf(Buffer.from('\ufffd'));
    const text = Buffer.concat([
      Buffer.from(json.slice(0, json.indexOf('a/b'))),
      Buffer.from([0xff]),
      Buffer.from(json.slice(json.indexOf('a/b') + 3)),
    ]);
    expect(invalid(meta)).toBeUndefined();
    expect(place).toBeGreaterThan(0);
    expect(invalid(Buffer.concat([Buffer.from(`${line}\n${hashOf('sha256', text)} `), text, Buffer.from('\n')]))).toBe('/line2');
  });

  test('random bytes and random cuts give BLOCK_INVALID and nothing else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => expect(typeof invalid(bytes)).toBe('string')));
    fc.assert(
      fc.property(crypts, groups, fc.nat(), (crypt, group, cut) => {
        const { bytes } = buildBlock(sampleTail(crypt), group);
        expect(typeof invalid(bytes.subarray(0, cut % bytes.length))).toBe('string');
      }),
    );
  });

  test('a name such as __proto__ is a name', () => {
    const meta = JSON.parse('{"__proto__":"x","constructor":1}');
    const block = parseBlock(buildBlock(sampleTail('sha256'), [sampleReceipt('sha256', 1, meta)]).bytes);
    expect(Object.entries(block.blobs[0]?.meta ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 1],
    ]);
  });
});

describe('blockId', () => {
  test('needs the line of a block', () => {
    expect(() => blockId(Buffer.from(line))).toThrow(BlockhubError);
    expect(() => blockId(Buffer.from('{"blobs":[],"chain":null,"crypt":"sha1"}\n'))).toThrow(BlockhubError);
    expect(() => blockId(Buffer.from('hello\n'))).toThrow(BlockhubError);
  });
});
