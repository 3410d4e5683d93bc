import { envName, flagName, flagUsage, hideUserinfo, type Setting, type SettingsShape, sentence, shownDefault } from '@blockhub/settings';

/** Columns of prose. */
const WIDTH = 100;
/** Characters of a cell. */
const MAX_CELL = 200;

/** A text that stands in a cell of a table. */
export const cell = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
/** A text as inline code. */
export const code = (text: string): string => `\`${cell(text).replaceAll('`', "'")}\``;

/** A word, or code with the blanks in it. */
const words = /(?:`[^`]*`|\S)+/g;
/** At the beginning of a line these words would be read as a list, a heading or a quotation. */
const opensBlock = /^(?:[-+*=]+|\d+[.)]|#+|>.*)$/;

function wrapParagraph(text: string, first: string): string {
  const indent = ' '.repeat(first.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.match(words) ?? []) {
    if (line === '' || first.length + line.length + 1 + word.length <= WIDTH || opensBlock.test(word))
      line += line === '' ? word : ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line].map((one, at) => (at === 0 ? first : indent) + one).join('\n');
}

/** The same Markdown with prose and entries of lists wrapped at 100 columns. Tables, code, headings and comments stay as they are. */
export function wrapMarkdown(markdown: string): string {
  const out: string[] = [];
  let open: { readonly first: string; text: string } | undefined;
  let fenced = false;
  const flush = (): void => {
    if (open) out.push(wrapParagraph(open.text, open.first));
    open = undefined;
  };
  for (const line of markdown.split('\n')) {
    const isFence = /^\s*```/.test(line);
    if (fenced || isFence || line === '' || /^(?:\||#+ |<!--)/.test(line)) {
      flush();
      out.push(line);
      if (isFence) fenced = !fenced;
      continue;
    }
    const [, first, item] = /^(\s*(?:[-*]|\d+[.)])\s+)(.*)$/.exec(line) ?? [];
    if (first !== undefined && item !== undefined) {
      flush();
      open = { first, text: item };
    } else if (open) open.text += ` ${line}`;
    else open = { first: '', text: line };
  }
  flush();
  return out.join('\n');
}

/** As many sentences as a cell holds beside `tail`, and the others. If there is no room for one, the cell points below. */
export function fit(text: string, tail = ''): { readonly cell: string; readonly rest: string } {
  if (text.length + tail.length <= MAX_CELL) return { cell: text + tail, rest: '' };
  const sentences = text.split(/(?<=[.!?])\s+(?=[A-Z`"\d])/);
  const room = MAX_CELL - tail.length;
  let count = 0;
  while (sentences.slice(0, count + 1).join(' ').length <= room) count++;
  if (count > 0) return { cell: sentences.slice(0, count).join(' ') + tail, rest: sentences.slice(count).join(' ') };
  if (tail === '') return { cell: 'See below.', rest: text };
  const { cell: shown, rest } = fit(text);
  return { cell: shown, rest: `${rest}${tail}`.trim() };
}

/** A Markdown table. What its cells cannot hold stands below as a list, together with the `remarks`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], remarks: readonly string[] = []): string {
  const overflow: string[] = [];
  const fitted = rows.map((row) =>
    row.map((text) => {
      const { cell: shown, rest } = fit(text);
      if (rest !== '') overflow.push(`- ${row[0]}: ${rest}`);
      return shown;
    }),
  );
  const lines = [head, head.map(() => '---'), ...fitted].map((line) => `| ${line.join(' | ')} |\n`).join('');
  const list = [...overflow, ...remarks];
  return list.length === 0 ? lines : `${lines}\n${wrapMarkdown(list.join('\n'))}\n`;
}

/** What stands behind the text of a setting. */
function notes(name: string, one: Setting<unknown>): string {
  if (one.secret) return ` Secret; ${code(`${envName(name)}_FILE`)} may name a file.`;
  return one.example === undefined ? '' : ` Example: ${code(hideUserinfo(one.example))}`;
}

/** The settings as a Markdown table; sentences that its cells cannot hold stand below it. */
export function settingsTable(shape: SettingsShape): string {
  const entries = Object.entries(shape);
  if (entries.length === 0) return 'It has no settings of its own.\n';
  const remarks: string[] = [];
  const rows = entries.map(([name, one]) => {
    const shown = shownDefault(one);
    const preset = one.required ? 'required' : shown === undefined || shown === '' ? '' : code(shown);
    const { cell: meaning, rest } = fit(cell(sentence(one.text)), notes(name, one));
    if (rest !== '') remarks.push(`- ${code(flagName(name))}: ${rest}`);
    return [code(flagUsage(name, one)), code(envName(name)), preset, meaning];
  });
  return table(['Flag', 'Environment', 'Default', 'Meaning'], rows, remarks);
}
