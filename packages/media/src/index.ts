export { type DecodeCaps, type DecodedStart, decode, decodeStart, knownCodings, unknownCoding } from './coding.ts';
export { type Declared, isMime, parseCodings, readDeclared } from './declared.ts';
export { MimeSet } from './mime-set.ts';
export { describe, sniff } from './sniff.ts';
export { decodeText, hasBinary } from './text.ts';
