import { type Span, spansOf } from './spans.ts';

/** What a rule refuses, and what to do. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly fix: string;
}

const COLUMNS = 100;
const CELL = 200;
const LINES = 400;

/** Words that the style refuses, each with what to write instead. A blank matches line breaks too. */
const refused: readonly (readonly [words: string, fix: string])[] = [
  ['whoever', 'name the thing: the process, the caller, the client'],
  ['(?:nobody|somebody|someone)', 'name the thing, or write "no process", "another program"'],
  ['unless set', 'write "If … is not set, …"'],
  ['for ?ever', 'write "never changes", "without a limit" or the like'],
  ['(?:is|are|be) told', 'write what happens, such as "gets" or "receives"'],
  ['tells it', 'write what happens, such as "sends it"'],
  ['is seen to', 'write what happens'],
  ['(?:taken|takes) away', 'write "removed", "stopped" or "deleted"'],
  ['has no word', 'write "does not have" or "cannot"'],
  ['put right', 'write "corrected" or "repaired"'],
  ['goes home', 'write where it goes'],
  ['at hand', 'write "available"'],
  ['as said', 'repeat the fact, or leave it out'],
  ['of its own accord', 'write "by itself"'],
  ['in the dark', 'write what is not known'],
  ['(?<!there\\s+)is no(?= )(?! (?:longer|more)\\b)', 'write "is not a …", or "There is no …"'],
  ['wants', 'write "requires" or "needs"'],
];
const expressions = refused.map(
  ([words, fix]) => [new RegExp(`(?<![\\w-])${words.replaceAll(' ', '\\s+')}${/\w$/.test(words) ? '\\b' : ''}`, 'gi'), fix] as const,
);

const blank = (text: string): string => text.replace(/\S/g, '\0');
const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
/** Without the signs that begin a comment, a list or a quotation: one word alone cannot be wrapped. */
const isOneWord = (line: string): boolean => !/\s/.test(line.replace(/^\s*(?:\/\*\*?|\*|\/\/|#|[-*>]|\d+\.)?\s*/, '').trim());
const isDirective = (line: string): boolean => /biome-ignore|@ts-|^#!/.test(line);

/** Of Markdown: the text without code in fences. */
function proseOf(source: string): string {
  let fence = '';
  return source
    .split('\n')
    .map((line) => {
      const [mark = ''] = /^\s*(?:```+|~~~+)/.exec(line) ?? [];
      const inside = fence !== '' || mark !== '';
      if (mark !== '') fence = fence === '' ? mark : '';
      return inside ? blank(line) : line;
    })
    .join('\n');
}

/** Of a changelog: the text without the sections of versions that are released. */
const unreleased = (source: string): string =>
  source
    .split(/^(?=## )/m)
    .map((section) => (section.startsWith('## ') && !/^.*unreleased/i.test(section) ? blank(section) : section))
    .join('');

/** Of TypeScript: comments and strings; everything else is blank. */
function textsOf(source: string, spans: readonly Span[]): string {
  let at = 0;
  let out = '';
  for (const { kind, start, end } of spans) {
    const text = source.slice(start, end);
    out +=
      blank(source.slice(at, start)) +
      (kind === 'comment' ? text.replace(/\/\*\*?|\*\/|^\s*\*|\/\//gm, (marks) => ' '.repeat(marks.length)) : text);
    at = end;
  }
  return out + blank(source.slice(at));
}

/** Of scripts and templates: the lines that are comments, by number from 1. */
function commentLines(source: string): Set<number> {
  const found = new Set<number>();
  let inside = false;
  for (const [at, line] of source.split('\n').entries()) {
    if (/\{\{-?\s*\/\*/.test(line)) inside = true;
    if (inside || /^\s*#/.test(line)) found.add(at + 1);
    if (line.includes('*/')) inside = false;
  }
  return found;
}

function checkWords(path: string, text: string): Finding[] {
  return expressions.flatMap(([expression, fix]) =>
    [...text.matchAll(expression)].map(({ 0: words, index }) => ({
      path,
      line: lineOf(text, index),
      rule: `"${words.replace(/\s+/g, ' ')}" is a refused word`,
      fix,
    })),
  );
}

function checkLines(path: string, source: string, isText: (line: string, number: number) => boolean, fix: string): Finding[] {
  return source.split('\n').flatMap((line, at) => {
    if (line.length <= COLUMNS || !isText(line, at + 1) || isOneWord(line) || isDirective(line)) return [];
    return [{ path, line: at + 1, rule: `the line has ${line.length} columns, at most ${COLUMNS} are allowed`, fix }];
  });
}

function checkCells(path: string, prose: string): Finding[] {
  return prose.split('\n').flatMap((line, at) => {
    if (!line.startsWith('|')) return [];
    const longest = Math.max(...line.split(/(?<!\\)\|/).map((cell) => cell.trim().length));
    if (longest <= CELL) return [];
    return [
      { path, line: at + 1, rule: `a cell has ${longest} characters, at most ${CELL} are allowed`, fix: 'put remarks below the table' },
    ];
  });
}

function checkMarkdown(path: string, source: string): Finding[] {
  const prose = proseOf(path.endsWith('CHANGELOG.md') ? unreleased(source) : source);
  const isProse = (line: string): boolean => !/^\s*\||\0/.test(line);
  return [...checkLines(path, prose, isProse, 'wrap it'), ...checkCells(path, prose), ...checkWords(path, prose)];
}

function checkTypeScript(path: string, source: string): Finding[] {
  const spans = spansOf(source);
  const comments = new Set<number>();
  for (const { kind, start, end } of spans) {
    if (kind !== 'comment') continue;
    for (let line = lineOf(source, start); line <= lineOf(source, end); line++) comments.add(line);
  }
  const lines = source.split('\n').length - 1;
  const isProduct = /^(?:packages|services)\//.test(path) && !path.endsWith('.test.ts');
  return [
    ...(isProduct && lines > LINES
      ? [{ path, line: lines, rule: `the file has ${lines} lines, at most ${LINES} are allowed`, fix: 'split it' }]
      : []),
    ...checkLines(
      path,
      source,
      (line, number) => comments.has(number) && !/^\s*\*? ?\|/.test(line),
      'wrap the comment, or put it above the code',
    ),
    ...checkWords(path, textsOf(source, spans)),
  ];
}

function checkScript(path: string, source: string): Finding[] {
  const comments = commentLines(source);
  const onlyComments = source
    .split('\n')
    .map((line, at) => (comments.has(at + 1) ? line.replace(/^\s*#+/, (marks) => ' '.repeat(marks.length)) : blank(line)));
  return [
    ...checkLines(path, source, (_, number) => comments.has(number), 'wrap the comment'),
    ...checkWords(path, path.endsWith('.sh') ? onlyComments.join('\n') : source.replace(/^\s*#+/gm, (marks) => ' '.repeat(marks.length))),
  ];
}

/** What the rules refuse in a file, in the order of its lines. */
export function checkFile(path: string, source: string): Finding[] {
  const check = path.endsWith('.md') ? checkMarkdown : path.endsWith('.ts') ? checkTypeScript : checkScript;
  return check(path, source).toSorted((one, other) => one.line - other.line);
}
