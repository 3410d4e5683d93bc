import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { spansOf } from '../words/spans.ts';

export const top = resolve(import.meta.dirname, '../..');

const folders = 'packages|services|tests|charts|docs|mesh|monitoring|docker|k8s|\\.ci';
const pathForm = new RegExp(`^(?:${folders})/[\\w./*{},@-]+$`);
const fences = /^[ \t]*(`{3,}|~{3,})[^\n]*\n[\s\S]*?^[ \t]*\1/gm;

/** The service that CONTRIBUTING writes as an example. */
const example = 'services/relay/';

/** The paths of the repository that stand as code in Markdown, without numbers of lines. */
export const pathsIn = (markdown: string): string[] =>
  [...markdown.replace(fences, '').matchAll(/`([^`]+)`/g)]
    .map(([, text = '']) => text.replace(/:\d[\d,:-]*$/, ''))
    .filter((text) => (pathForm.test(text) || /^[\w./@-]+\.ts$/.test(text)) && !text.startsWith(example));

const glob = (path: string): string[] => globSync(path, { cwd: top, exclude: (name) => /(?:^|\/)(?:node_modules|\.git)$/.test(name) });
const modules = glob('{packages,services,tests,charts,mesh,docker,k8s}/**/*.ts').map((path) => `/${path}`);

/** Every page of the repository. */
export const pages = (): string[] => glob('**/*.md');

/**
 * The files and folders at a path, which may be a glob. `NAME` and `{name}` stand for any name. A
 * module such as `src/a.ts` may be named by the end of its path.
 */
const filesAt = (path: string): string[] =>
  pathForm.test(path)
    ? glob(path.replace(/\{[^{},]*\}|(?<=[/-])(?:NAME|GROUP)(?=[/.]|$)/g, '*'))
    : modules.filter((one) => one.endsWith(`/${path.replace(/^\.\//, '')}`)).map((one) => one.slice(1));

/** The paths in this Markdown at which there is nothing. */
export const missingPaths = (markdown: string): string[] => [...new Set(pathsIn(markdown))].filter((path) => filesAt(path).length === 0);

/** A title of a test that Markdown quotes, and the files in which it may stand. */
export interface Quoted {
  readonly id: string;
  readonly file: string;
  readonly title: string;
  readonly among: readonly string[];
}

/**
 * The quoted titles of docs/requirements.md. A remark begins with the id of its row, and names a
 * file by the end of a path that stands in the row or in the remark.
 */
export function quotedTitles(requirements: string): Quoted[] {
  const rows = new Map([...requirements.matchAll(/^\| ([^|]+) \|.*$/gm)].map(([row, id = '']) => [id, row]));
  const remarks = requirements.matchAll(/^- \*\*([^*]+)\.\*\*((?:.|\n(?!- |#|\n))*)/gm);
  return [...remarks].flatMap(([, id = '', text = '']) => {
    const remark = text.replace(/\s+/g, ' ');
    const named = pathsIn(`${rows.get(id)}\n${remark}`).filter((path) => pathForm.test(path));
    const paths = named.flatMap(filesAt).filter((path) => path.endsWith('.ts'));
    return [...remark.matchAll(/`([^`]+)` \(("[^"]*"(?:, "[^"]*")*)\)/g)].flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/"([^"]*)"/g)].map(([, title = '']) => ({
        id,
        file,
        title,
        among: [...new Set(paths)].filter((path) => `/${path}`.endsWith(`/${file}`)),
      })),
    );
  });
}

/**
 * Whether a string in this source is the title, or begins with it and goes on behind `:`, `,`, `;`
 * or ` (`. Else `…` stands for what is left out.
 */
export function hasTitle(source: string, title: string): boolean {
  const form = new RegExp(
    `^${title
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[\\s\\S]*')}(?:$|[:,;]| \\()`,
  );
  return spansOf(source).some(({ kind, start, end }) => kind === 'string' && form.test(source.slice(start, end).replace(/\\(.)/g, '$1')));
}

/** The quoted titles that stand in none of their files. */
export const missingTitles = (requirements: string): string[] =>
  quotedTitles(requirements)
    .filter(({ title, among }) => !among.some((path) => hasTitle(readFileSync(join(top, path), 'utf8'), title)))
    .map(
      ({ id, file, title, among }) =>
        `${id}: ${file} ("${title}")${among.length === 0 ? ', a file that neither row nor remark names' : ''}`,
    );
