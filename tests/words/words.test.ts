import { describe, expect, test } from '@jest/globals';
import { checkFile } from './rules.ts';
import { spansOf } from './spans.ts';

const long = 'word '.repeat(22).trim();
const found = (path: string, source: string): string[] =>
  checkFile(path, source).map(({ line, rule }) => `${line}: ${rule.replace(/^"(.*)" is a refused word$/, '$1')}`);
const columns = (line: number, count: number): string[] => [`${line}: the line has ${count} columns, at most 100 are allowed`];

describe('columns', () => {
  test.each<[string, string, string, string[]]>([
    ['prose', 'a.md', `# A\n\n${long}\n`, columns(3, 109)],
    ['an entry of a list', 'a.md', `- ${long}`, columns(1, 111)],
    ['prose behind a fence', 'a.md', `\`\`\`sh\n${long}\n\`\`\`\n${long}`, columns(4, 109)],
    ['a comment', 'a.ts', `/** ${long} */`, columns(1, 116)],
    ['a line of a comment', 'a.ts', `/**\n * ${long}\n */`, columns(2, 112)],
    ['a comment behind code', 'a.ts', `${'f();'.repeat(24)} // why it is so`, columns(1, 112)],
    ['a comment of YAML', 'a.yaml', `a: 1\n  # ${long}`, columns(2, 113)],
    ['a comment of a script', 'a.sh', `# ${long}`, columns(1, 111)],
    ['a comment of a template', 'a.tpl', `{{- /* a\n${long} */}}\n${long}`, columns(2, 114)],
    ['a table', 'a.md', `| ${long} |`, []],
    ['code in a fence', 'a.md', `~~~\n${long}\n~~~`, []],
    ['a link alone', 'a.md', `- <https://example.com/${'x'.repeat(100)}>`, []],
    ['a link alone in a comment', 'a.ts', ` // https://example.com/${'x'.repeat(100)}`, []],
    ['code', 'a.ts', `const a = '${long}';`, []],
    ['a directive', 'a.ts', `// biome-ignore lint/x: ${long}`, []],
    ['a value of YAML', 'a.yaml', `a: ${long}`, []],
  ])('of %s', (_, path, source, expected) => expect(found(path, source)).toEqual(expected));
});

test('cells of tables have at most 200 characters', () => {
  const cell = 'x'.repeat(201);
  expect(found('a.md', `| a | b |\n| --- | --- |\n| a | ${cell} |`)).toEqual(['3: a cell has 201 characters, at most 200 are allowed']);
  expect(found('a.md', `| ${cell.slice(1)} | \\| ${cell.slice(4)} |`)).toEqual([]);
});

describe('refused words', () => {
  test.each<[string, string, string, string[]]>([
    ['in prose', 'a.md', 'Nobody\nand whoever.', ['1: Nobody', '2: whoever']],
    ['over a line break', 'a.md', 'It is\ntold.', ['1: is told']],
    ['over lines of a comment', 'a.ts', '/**\n * It is\n * told.\n */', ['2: is told']],
    ['over two comments', 'a.ts', '// It is\n// told.', ['1: is told']],
    [
      'in strings',
      'a.ts',
      `f('is no number', "unless set", \`for ever \${x('at hand')} as said\`);`,
      ['1: unless set', '1: for ever', '1: at hand', '1: as said', '1: is no'],
    ],
    ['in YAML', 'a.yaml', 'text: it wants more\n# put right', ['1: wants', '2: put right']],
    ['in comments of scripts', 'a.sh', '# nobody', ['1: nobody']],
    ['of what is not released', 'CHANGELOG.md', '## 2.0 (unreleased)\n\nnobody\n\n## 1.0\n\nnobody\n', ['3: nobody']],
    ['not in code', 'a.ts', 'const nobody = somebody(forever);\nconst a = /nobody/;', []],
    ['not in fences', 'a.md', '```\nnobody\n```', []],
    ['not in scripts', 'a.sh', 'echo nobody', []],
    ['not in two strings', 'a.ts', "f('it is', 'told');", []],
    ['not as a part of a word', 'a.md', 'wantsHelp and is-no and is not; there is no spool; it is no longer', []],
  ])('%s', (_, path, source, expected) => expect(found(path, source)).toEqual(expected));
});

test('product files have at most 400 lines', () => {
  const source = '\n'.repeat(401);
  expect(found('packages/a/src/a.ts', source)).toEqual(['401: the file has 401 lines, at most 400 are allowed']);
  for (const path of ['packages/a/src/a.test.ts', 'tests/a.ts']) expect(found(path, source)).toEqual([]);
  expect(found('services/a/src/a.ts', source.slice(1))).toEqual([]);
});

test.each<[string, string[], string[]]>([
  ["a / b; // c 'd'", ["// c 'd'"], []],
  ['const a = \'/* b */\' + "// c"; /* d */', ['/* d */'], ['/* b */', '// c']],
  ['const a = /[/]\\/\'"`/g; // b', ['// b'], []],
  ["return /'/.test(a) / 2 + '/';", [], ['/']],
  [`\`a \${b ? \`c \${{ d: 'e' }.d}\` : '}'} f\``, [], ['a ', 'c ', 'e', '', '}', ' f']],
  [`'it\\'s' + \`\\\`\${1}$\``, [], ["it\\'s", '\\`', '$']],
  ['#!/usr/bin/env node\n// a', ['// a'], []],
])('the comments and strings of %j', (source, comments, strings) => {
  const texts = (kind: string): string[] =>
    spansOf(source)
      .filter((it) => it.kind === kind)
      .map(({ start, end }) => source.slice(start, end));
  expect([texts('comment'), texts('string')]).toEqual([comments, strings]);
});
