/** A comment or the text of a string in TypeScript: offsets in the source, without quotation marks. */
export interface Span {
  readonly kind: 'comment' | 'string';
  readonly start: number;
  readonly end: number;
}

/** After these a slash begins a regular expression, not a division. */
const beforeRegExp = /(?:[([{,;:=!&|?+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|throw|await|yield))\s*$/;
const regExp = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+\/[a-z]*/y;
const lineComment = /\/\/.*/y;
const blockComment = /\/\*[\s\S]*?\*\//y;
const quoted = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/y;
const templatePart = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

/** The comments and strings of TypeScript, in order. */
export function spansOf(source: string): Span[] {
  const spans: Span[] = [];
  /** Braces that are open in each `${…}` of a template. */
  const open: number[] = [];
  let at = source.startsWith('#!') ? source.indexOf('\n') : 0;
  const match = (form: RegExp): string | undefined => {
    form.lastIndex = at;
    return form.exec(source)?.[0];
  };
  const take = (kind: Span['kind'], text: string, marks: number): void => {
    spans.push({ kind, start: at + marks, end: at + text.length - marks });
    at += text.length;
  };
  const template = (): void => {
    take('string', match(templatePart) ?? '', 0);
    if (source.startsWith('${', at)) {
      open.push(0);
      at += 2;
    } else at++;
  };
  while (at >= 0 && at < source.length) {
    const char = source[at];
    if (char === '/') {
      const comment = match(lineComment) ?? match(blockComment);
      if (comment !== undefined) {
        take('comment', comment, 0);
        continue;
      }
      at += (beforeRegExp.test(source.slice(Math.max(0, at - 40), at)) && match(regExp)?.length) || 1;
    } else if (char === "'" || char === '"') {
      const text = match(quoted);
      if (text === undefined) at++;
      else take('string', text, 1);
    } else if (char === '`') {
      at++;
      template();
    } else if (char === '{' || char === '}') {
      const depth = open.at(-1);
      at++;
      if (depth === undefined) continue;
      if (char === '{') open[open.length - 1] = depth + 1;
      else if (depth > 0) open[open.length - 1] = depth - 1;
      else {
        open.pop();
        template();
      }
    } else at++;
  }
  return spans;
}
