import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { hasTitle, missingPaths, missingTitles, pages, pathsIn, quotedTitles, top } from './paths.ts';

const read = (path: string): string => readFileSync(join(top, path), 'utf8');

test('every path of the repository that Markdown names exists', () => {
  expect(pages()).toContain('docs/requirements.md');
  expect(pages().flatMap((page) => missingPaths(read(page)).map((path) => `${page}: ${path}`))).toEqual([]);
});

test('every title that docs/requirements.md quotes stands in a test', () => {
  expect(quotedTitles(read('docs/requirements.md')).length).toBeGreaterThan(100);
  expect(missingTitles(read('docs/requirements.md'))).toEqual([]);
});

test('paths are found as code, outside of fences', () => {
  const markdown = 'See `docs/a.md`, `tests/{a,b}.ts`, `tests/a.ts:12-14` and `a/b`, not docs/b.md.\n\n```sh\nls `docs/c.md`\n```\n';
  expect(pathsIn(markdown)).toEqual(['docs/a.md', 'tests/{a,b}.ts', 'tests/a.ts']);
});

test.each([
  ['`docs/absent.md`', ['docs/absent.md']],
  ['`tests/reference/paths{,.test}.ts`, `mesh/`, `services/NAME/src/main.ts`, `services/{name}`', []],
  ['`tests/reference/*.absent.ts`', ['tests/reference/*.absent.ts']],
  ['`reference/paths.ts`, `paths.test.ts`, `services/relay/src/main.ts`, `aths.ts`', ['aths.ts']],
])('the missing paths of %s', (markdown, expected) => {
  expect(missingPaths(markdown)).toEqual(expected);
});

test('titles are looked for in the files of their row and remark', () => {
  const pageOf = (text: string): string =>
    `| A1 | met | text | | \`tests/reference/paths.test.ts\` |\n\n- **A1.** Text. Test cases: ${text}.\n`;
  expect(missingTitles(pageOf('`paths.test.ts` ("paths are\n  found as …", "the missing paths of %s")'))).toEqual([]);
  expect(missingTitles(pageOf(`\`paths.test.ts\` ("paths are ${'lost'}"), \`markdown.test.ts\` ("x")`))).toEqual([
    'A1: paths.test.ts ("paths are lost")',
    'A1: markdown.test.ts ("x"), a file that neither row nor remark names',
  ]);
});

test.each([
  ['a whole title', true],
  ['a …', true],
  ['a whole', false],
  ["it's", true],
  ['a comment', false],
])('the title %j stands in a source or not', (title, expected) => {
  expect(hasTitle("// a comment\ntest('a whole title', () => {}); test('it\\'s', f);", title)).toBe(expected);
});
