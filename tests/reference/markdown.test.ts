import { setting } from '@blockhub/settings';
import { describe, expect, test } from '@jest/globals';
import { fit, settingsTable, table, wrapMarkdown } from './markdown.ts';

const words = (count: number): string => Array.from({ length: count }, (_, n) => `word${n}`).join(' ');
const text = (count: number): string => `It ${words(count)}.`;

describe('wrapped Markdown', () => {
  test('has lines of at most 100 columns, and the same words', () => {
    const page = `# Title\n\n${text(40)}\n\n- ${text(30)}\n- short\n  second line\n\n1. ${text(20)}\n`;
    const wrapped = wrapMarkdown(page);
    expect(wrapped.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(wrapped.split(/\s+/)).toEqual(page.split(/\s+/));
    expect(wrapped).toContain('\n- short second line\n');
    expect(wrapMarkdown(wrapped)).toBe(wrapped);
  });

  test.each([
    ['a table', `| ${words(40)} |`],
    ['code', `\`\`\`sh\n${words(40)}\n\n- x\n  y\n\`\`\``],
    ['a comment', `<!-- ${words(40)} -->`],
    ['a heading', `## ${words(40)}`],
    ['inline code', `\`${words(40)}\``],
  ])('leaves %s as it is', (_, block) => expect(wrapMarkdown(block)).toBe(block));

  test.each(['-', '+', '1.', '#', '>'])('does not begin a line with %s', (sign) => {
    const wrapped = wrapMarkdown(`${'x'.repeat(99)} ${sign} y`);
    expect(wrapped.split('\n')).toEqual([`${'x'.repeat(99)} ${sign}`, 'y']);
  });
});

test.each<[string, string, string, string, string]>([
  ['short', 'One.', ' Example: `x`', 'One. Example: `x`', ''],
  ['first sentences', `One. Two. ${text(30)} Three.`, ' E.', 'One. Two. E.', `${text(30)} Three.`],
  ['the first sentence without the note', text(22), ` ${'x'.repeat(60)}`, text(22), 'x'.repeat(60)],
  ['nothing', text(40), '', 'See below.', text(40)],
])('a cell holds %s', (_, given, tail, cell, rest) => {
  expect(fit(given, tail)).toEqual({ cell, rest });
});

test('a table has what its cells cannot hold below it', () => {
  expect(table(['A', 'B'], [['`x`', `One. ${text(30)}`]], ['- `y`: more.'])).toBe(
    `| A | B |\n| --- | --- |\n| \`x\` | One. |\n\n${wrapMarkdown(`- \`x\`: ${text(30)}`)}\n- \`y\`: more.\n`,
  );
});

describe('the table of settings', () => {
  const shape = {
    storeUrl: setting.url({ text: 'Where objects lie', required: true, example: 's3://minio:9000/bucket' }),
    fsync: setting.flag({ text: 'Write through', default: true }),
    level: setting.choice({ text: `How much is logged | said. ${text(30)}`, of: ['debug', 'info'], default: 'info' }),
    token: setting.text({ text: 'Token', secret: true, example: 'HUNTER2' }),
    broker: setting.url({ text: 'Place', default: 'amqp://me:HUNTER2@host', example: 'amqp://me:HUNTER2@other' }),
  };

  test('has a row for each setting, with example and note, and the rest below', () => {
    const [, , ...lines] = settingsTable(shape).trimEnd().split('\n');
    expect(lines.slice(0, 4)).toEqual([
      '| `--store-url URL` | `BLOCKHUB_STORE_URL` | required | Where objects lie. Example: `s3://minio:9000/bucket` |',
      '| `--no-fsync` | `BLOCKHUB_FSYNC` | `true` | Write through. |',
      '| `--level debug\\|info` | `BLOCKHUB_LEVEL` | `info` | How much is logged \\| said. |',
      '| `--token TEXT` | `BLOCKHUB_TOKEN` |  | Token. Secret; `BLOCKHUB_TOKEN_FILE` may name a file. |',
    ]);
    expect(lines.slice(5).join('\n')).toBe(`\n${wrapMarkdown(`- \`--level\`: ${text(30)}`)}`);
  });

  test('shows no secret', () => expect(settingsTable(shape)).not.toContain('HUNTER2'));

  test('says that there are none', () => expect(settingsTable({})).toBe('It has no settings of its own.\n'));
});
