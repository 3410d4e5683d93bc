/**
 * Formats that are text, or begin with text. Each pattern needs more than the first letters. The
 * patterns run in linear time on the first bytes as Latin-1, so `[\s\S]` is any byte.
 */
const formats: readonly (readonly [pattern: RegExp, mime: string])[] = [
  [/^\s*(?:<!doctype\s+html|<html|<head|<body|<script)[\s>]/i, 'text/html'],
  [/^\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--[^>]{0,200}-->\s*)?<svg[\s>]/i, 'image/svg+xml'],
  [/^\s*<\?xml\s+version\s*=/, 'application/xml'],
  // The line ends after the version.
  [/^%PDF-[12]\.\d(?:[ \t]*[\r\n]|[ \t]*%|$)/, 'application/pdf'],
  [/^%!PS-Adobe-\d\.\d EPSF-\d/, 'application/eps'],
  [/^%!PS(?:-Adobe-\d\.\d[ -~]{0,60})?[ \t]*[\r\n]/, 'application/postscript'],
  [/^\{\\rtf(?:1[\s\\{}]|[ \t]*\\)/, 'application/rtf'],
  [/^BEGIN:VCARD[ \t]*\r?\n[A-Z-]+[:;]/i, 'text/vcard'],
  [/^BEGIN:VCALENDAR[ \t]*\r?\n[A-Z-]+[:;]/i, 'text/calendar'],
  [/^WEBVTT(?:[ \t][^\r\n]*)?(?:\r\n|\n|\r(?!\n))(?:[\r\n]|[A-Za-z-]+: )/, 'text/vtt'],
  [/^solid[^\r\n]{0,200}\r?\n\s*facet\s+normal\s/, 'model/stl'],
  [/^(?:REGEDIT4|Windows Registry Editor Version 5\.00)\r?\n/, 'application/x-ms-regedit'],
  [/^-----BEGIN PGP MESSAGE-----\r?\n/, 'application/pgp-encrypted'],
  // The header of the first member ends with these two characters.
  [/^!<arch>\n[\s\S]{58}`\n/, 'application/x-unix-archive'],
  // 76 octal digits, and the name.
  [/^070707[0-7]{70}[\x21-\x7e]/, 'application/x-cpio'],
  [/^07070[12][0-9a-fA-F]{104}[\x21-\x7e]/, 'application/x-cpio'],
];

/** The start of all formats here. JSON and ordinary text are not tried further. */
const CANDIDATE = /^\s*(?:<|%|\{\\|BEGIN:|WEBVTT|solid|REGEDIT4|Windows R|-----BEGIN PGP|!<arch|0707)/i;

export function sniffText(bytes: Buffer): string | undefined {
  const text = startOf(bytes);
  return CANDIDATE.test(text.slice(0, 64)) ? formats.find(([pattern]) => pattern.test(text))?.[1] : undefined;
}

function startOf(bytes: Buffer): string {
  const start = bytes.subarray(0, 4100);
  if (start[0] === 0xff && start[1] === 0xfe) return start.toString('utf16le', 2);
  if (start[0] === 0xfe && start[1] === 0xff)
    return Buffer.from(start.subarray(2, start.length & ~1))
      .swap16()
      .toString('utf16le');
  return start.toString('latin1', start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf ? 3 : 0);
}
