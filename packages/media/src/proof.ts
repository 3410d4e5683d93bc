import { hasBinary } from './text.ts';

/** A body without a control byte in its first 512 bytes is text, whatever its first letters are. */
export const SAMPLE_BYTES = 512;

/** True if a valid header follows the signature. */
type Proof = (bytes: Buffer) => boolean;

const u16 = (bytes: Buffer, at: number): number => (at + 2 <= bytes.length ? bytes.readUInt16LE(at) : -1);
const u32 = (bytes: Buffer, at: number): number => (at + 4 <= bytes.length ? bytes.readUInt32LE(at) : -1);
const u32be = (bytes: Buffer, at: number): number => (at + 4 <= bytes.length ? bytes.readUInt32BE(at) : -1);
const latin = (bytes: Buffer, from: number, to: number): string => bytes.toString('latin1', Math.max(0, from), Math.max(0, to));
const MB = 1024 * 1024;

/** A control byte in this range: where the format has numbers, text has letters. */
const control =
  (from: number, to: number): Proof =>
  (bytes) =>
    hasBinary(bytes, from, to);
const matches =
  (pattern: RegExp): Proof =>
  (bytes) =>
    pattern.test(latin(bytes, 0, 600));
const is =
  (at: number, ...values: readonly number[]): Proof =>
  (bytes) =>
    values.includes(bytes[at] ?? -1);
const all =
  (...proofs: readonly Proof[]): Proof =>
  (bytes) =>
    proofs.every((proof) => proof(bytes));
/** A size of 32 bits, big-endian, that a file can have and letters cannot. */
const size =
  (at: number, least: number): Proof =>
  (bytes) => {
    const value = u32be(bytes, at);
    return value >= least && value < 512 * MB;
  };

/** Proofs by the extension of `file-type`. Other formats have signatures that text cannot have. */
const proofs: Readonly<Record<string, Proof>> = {
  // Size of the header behind the one of the file, reserved bytes, offset of the pixels.
  bmp: (bytes) =>
    u32(bytes, 6) === 0 && [12, 16, 40, 52, 56, 64, 108, 124].includes(u32(bytes, 14)) && u32(bytes, 10) >= 26 && u32(bytes, 10) < MB,
  jpg: (bytes) => (bytes[3] ?? 0) >= 0xc0,
  ico: (bytes) => bytes.length >= 22 && u16(bytes, 4) >= 1 && u16(bytes, 4) < 1024,
  cur: (bytes) => bytes.length >= 22 && u16(bytes, 4) >= 1 && u16(bytes, 4) < 1024,
  ttf: (bytes) => bytes.length >= 12 && bytes[4] === 0 && (bytes[5] as number) >= 1,
  exe: (bytes) => isExecutable(bytes),
  gif: (bytes) => isGif(bytes),
  // The magic number of a block, or of the end of an empty file: digits of pi and of its root.
  bz2: all(matches(/^BZh[1-9]/), (bytes) => ['314159265359', '177245385090'].includes(bytes.toString('hex', 4, 10))),
  mp3: (bytes) => (latin(bytes, 0, 3) === 'ID3' ? isId3(bytes) : hasFrame(bytes)),
  mp2: (bytes) => hasFrame(bytes),
  mp1: (bytes) => hasFrame(bytes),
  mpc: (bytes) => (latin(bytes, 0, 3) === 'MP+' ? ((bytes[3] ?? 0) & 0x0f) === 7 : control(4, 20)(bytes)),
  swf: (bytes) => is(3, ...Array.from({ length: 0x3f }, (_, n) => n + 1))(bytes) && u32(bytes, 4) >= 8 && u32(bytes, 4) < 256 * MB,
  flif: all(matches(/^FLIF[1346ACDFQSTVacdf][012]/), control(6, SAMPLE_BYTES)),
  psd: (bytes) => [1, 2].includes(bytes.length >= 6 ? bytes.readUInt16BE(4) : 0) && /^\0{6}/.test(latin(bytes, 6, 12)),
  aif: all(size(4, 4), matches(/^FORM[\s\S]{4}(?:AIFF|AIFC|8SVX)/)),
  icns: size(4, 8),
  mid: (bytes) => u32be(bytes, 4) === 6,
  woff: control(8, 32),
  woff2: control(8, 32),
  dsf: (bytes) => u32(bytes, 4) === 28,
  lz: is(4, 0, 1),
  flac: (bytes) => ((bytes[4] ?? 1) & 0x7f) === 0 && (u32be(bytes, 4) & 0xffffff) === 34,
  wv: (bytes) => u16(bytes, 8) >= 0x402 && u16(bytes, 8) <= 0x410,
  ape: (bytes) => u16(bytes, 4) >= 3000 && u16(bytes, 4) <= 6000,
  sqlite: matches(/^SQLite format 3\0/),
  crx: (bytes) => [2, 3].includes(u32(bytes, 4)),
  cab: (bytes) => (latin(bytes, 0, 4) === 'MSCF' ? u32(bytes, 4) === 0 : control(4, 16)(bytes)),
  pst: (bytes) => latin(bytes, 8, 10) === 'SM',
  parquet: control(4, 16),
  ttc: (bytes) => [0x00010000, 0x00020000].includes(u32be(bytes, 4)),
  sav: all(matches(/^\$FL[23]@\(#\)/), control(60, 80)),
  amr: all(matches(/^#!AMR(?:-WB|_MC1\.0|-WB_MC1\.0)?\n/), control(6, SAMPLE_BYTES)),
  it: control(30, 64),
  lzh: control(7, 24),
  chm: (bytes) => u32(bytes, 4) >= 2 && u32(bytes, 4) <= 4,
  rm: size(4, 8),
  blend: all(matches(/^BLENDER(?:[-_][vV]\d{3}|\d\d-\d\dv\d{4})/), control(12, 64)),
  deb: matches(/^!<arch>\n[\s\S]{58}`\n/),
  ar: matches(/^!<arch>\n[\s\S]{58}`\n/),
  cpio: (bytes) => bytes[0] === 0xc7 || matches(/^070707[0-7]{70}/)(bytes),
  xcf: matches(/^gimp xcf (?:file|v\d{3})\0/),
  dwg: control(6, 13),
  mov: all(size(0, 8), control(0, 4)),
  m4v: size(0, 8),
  m4p: size(0, 8),
  m4b: size(0, 8),
  m4a: size(0, 8),
  f4v: size(0, 8),
  f4p: size(0, 8),
  f4a: size(0, 8),
  f4b: size(0, 8),
  mp4: size(0, 8),
  '3gp': size(0, 8),
  '3g2': size(0, 8),
  avif: size(0, 8),
  heic: size(0, 8),
  cr3: size(0, 8),
  webp: (bytes) => u32(bytes, 4) < 512 * MB,
  avi: (bytes) => u32(bytes, 4) < 512 * MB,
  wav: (bytes) => u32(bytes, 4) < 512 * MB,
  qcp: (bytes) => u32(bytes, 4) < 512 * MB,
  dff: control(4, 12),
  icc: all(size(0, 128), control(0, 4)),
  ace: control(0, 7),
  raf: control(24, SAMPLE_BYTES),
  xm: is(37, 0x1a),
  voc: is(19, 0x1a),
  s3m: is(28, 0x1a),
  mts: (bytes) => isTransportStream(bytes),
  mobi: control(32, 60),
  // The number of a group follows the signature.
  dcm: (bytes) => [2, 8].includes(u16(bytes, 132)),
  eot: control(0, 16),
  tar: (bytes) => isTar(bytes),
  ogg: is(4, 0),
  oga: is(4, 0),
  ogv: is(4, 0),
  ogm: is(4, 0),
  ogx: (bytes) => bytes[4] === 0 && (bytes[5] ?? 255) <= 7,
  opus: is(4, 0),
  spx: is(4, 0),
  drc: is(5, 1, 2),
  avro: control(3, 4),
  dat: control(4, 32),
  // Other data may begin with these two bytes. The real mark is at the end of the file.
  dmg: (bytes) => latin(bytes, bytes.length - 512, bytes.length - 508) === 'koly',
  ac3: (bytes) => control(2, 64)(bytes) && (bytes[4] ?? 255) >> 6 < 3,
  Z: control(2, 64),
  arj: control(2, 32),
  jxr: control(3, 16),
  jxl: control(2, SAMPLE_BYTES),
  aac: control(2, SAMPLE_BYTES),
  pdf: matches(/^%PDF-[12]\.\d(?:[ \t]*[\r\n]|[ \t]*%|$)/),
  eps: (bytes) => bytes[0] === 0xc5 || matches(/^%!PS-Adobe-\d\.\d EPSF-\d/)(bytes),
  ps: matches(/^%!PS(?:-Adobe-\d\.\d[ -~]{0,60})?[ \t]*[\r\n]/),
  rtf: matches(/^\{\\rtf(?:1[\s\\{}]|[ \t]*\\)/),
  // These formats are text, and `text-formats.ts` finds them. A control byte does not prove them.
  ...Object.fromEntries(['stl', 'vtt', 'vcf', 'ics', 'pgp'].map((ext) => [ext, (): boolean => false])),
  xml: (bytes) => (bytes[0] ?? 0) >= 0xfe,
  reg: (bytes) => bytes[0] === 0xff,
};

/** True if the bytes prove the type of their signature. A byte order mark makes them text. */
export function isProven(ext: string, bytes: Buffer): boolean {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return false;
  return proofs[ext]?.(bytes) ?? true;
}

/** A DOS header whose last page has at most 511 bytes, or that points to a Windows header. */
function isExecutable(bytes: Buffer): boolean {
  if (bytes.length < 28 || !hasBinary(bytes, 2, 64)) return false;
  const next = u32(bytes, 60);
  if (next >= 0 && next + 2 <= bytes.length && /^(?:PE|NE|LE|LX)/.test(latin(bytes, next, next + 2))) return true;
  return u16(bytes, 2) < 512 || (next >= bytes.length && next < 16 * MB);
}

/** After screen size and colours comes one of three kinds of blocks. */
function isGif(bytes: Buffer): boolean {
  if (bytes.length < 13 || !/^GIF8[79]a/.test(latin(bytes, 0, 6)) || !hasBinary(bytes, 6, 13)) return false;
  const packed = bytes[10] ?? 0;
  const first = 13 + (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0);
  return first >= bytes.length || [0x21, 0x2c, 0x3b].includes(bytes[first] as number);
}

/** Version, no unknown flags, and a size of four times seven bits. */
const isId3 = (bytes: Buffer): boolean =>
  bytes.length >= 10 &&
  [2, 3, 4].includes(bytes[3] as number) &&
  ((bytes[5] as number) & 0x0f) === 0 &&
  [6, 7, 8, 9].every((at) => (bytes[at] as number) < 0x80);

/** Each frame begins with the same eleven bits, and has control bytes. */
const hasFrame = (bytes: Buffer): boolean => (bytes[0] === 0xff ? hasBinary(bytes, 2, SAMPLE_BYTES) : true);

/** Packets of 188 bytes, or of 192 with a time before each. Up to three are checked. */
function isTransportStream(bytes: Buffer): boolean {
  const [offset, length] = bytes[0] === 0x47 && bytes[188] === 0x47 ? [0, 188] : [4, 192];
  if (bytes.length < offset + 2 * length) return false;
  return [0, 1, 2].every((n) => offset + n * length >= bytes.length || bytes[offset + n * length] === 0x47);
}

/** The header has the sum of its own bytes, with blanks in place of the sum. */
function isTar(bytes: Buffer): boolean {
  if (bytes.length < 512) return false;
  let sum = 0;
  for (let at = 0; at < 512; at++) sum += at >= 148 && at < 156 ? 32 : (bytes[at] as number);
  return (
    Number.parseInt(
      latin(bytes, 148, 156)
        .replace(/[\0 ]+$/, '')
        .trimStart(),
      8,
    ) === sum
  );
}
