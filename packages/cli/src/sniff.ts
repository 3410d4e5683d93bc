/** First bytes of common types, as hex. */
const magic: readonly (readonly [string, string])[] = [
  ['89504e470d0a1a0a', 'image/png'],
  ['ffd8ff', 'image/jpeg'],
  ['474946383', 'image/gif'],
  ['255044462d', 'application/pdf'],
  ['504b0304', 'application/zip'],
  ['1f8b', 'application/gzip'],
  ['28b52ffd', 'application/zstd'],
  ['377abcaf271c', 'application/x-7z-compressed'],
  ['7f454c46', 'application/x-executable'],
  ['0061736d', 'application/wasm'],
  ['53514c69746520666f726d61742033', 'application/vnd.sqlite3'],
];

/** What bytes seem to be, by looking at them. */
export function sniff(bytes: Buffer): string {
  const head = bytes.subarray(0, 16).toString('hex');
  const known = magic.find(([start]) => head.startsWith(start))?.[1];
  if (known) return known;
  if (bytes.subarray(0, 4).toString('latin1') === 'RIFF' && bytes.subarray(8, 12).toString('latin1') === 'WEBP') return 'image/webp';
  if (!isText(bytes)) return 'application/octet-stream';
  const text = bytes.subarray(0, 512).toString().trimStart();
  if (/^<(!doctype html|html)/i.test(text)) return 'text/html';
  if (text.startsWith('<?xml')) return 'application/xml';
  return isJson(bytes, text) ? 'application/json' : 'text/plain';
}

/** UTF-8 without the control characters that text does not have. */
export function isText(bytes: Buffer): boolean {
  const text = bytes.toString();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  return !/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\ufffd]/.test(text);
}

function isJson(bytes: Buffer, start: string): boolean {
  if (!/^[[{]/.test(start) || bytes.length > 1024 * 1024) return false;
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}
