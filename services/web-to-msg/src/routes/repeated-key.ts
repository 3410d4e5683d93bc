const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;

/**
 * The first name that an object of this JSON text has twice; undefined where there is none. `JSON.parse` takes the last one in silence: of two
 * `rules`, the stricter one may be lost.
 * @param text valid JSON
 */
export function repeatedKey(text: string): string | undefined {
  /** The names of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (isName(text, index + token.length)) {
      const name = JSON.parse(token) as string;
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    }
  }
  return undefined;
}

/** A colon follows. */
function isName(text: string, end: number): boolean {
  let at = end;
  while (' \t\r\n'.includes(text[at] ?? '.')) at++;
  return text[at] === ':';
}
