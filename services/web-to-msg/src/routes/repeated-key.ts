const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;

/**
 * The first name that an object in this valid JSON has twice, or undefined. `JSON.parse` takes the
 * last one without an error, so the stricter one of two `rules` might be lost.
 */
export function repeatedKey(text: string): string | undefined {
  /** The names in each open object. Undefined for a list. */
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

/** True if a colon follows. */
function isName(text: string, end: number): boolean {
  let at = end;
  while (' \t\r\n'.includes(text[at] ?? '.')) at++;
  return text[at] === ':';
}
