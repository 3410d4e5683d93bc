import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A defect that is put into a file on purpose, when the file is loaded. */
export interface Edit {
  /** From the top of the repository. */
  readonly file: string;
  /** Text that the file has exactly once. */
  readonly find: string;
  readonly replace: string;
}

/**
 * The variable that holds the edits as JSON. The first `--import` of a process must be this file.
 */
export const EDITS = 'BLOCKHUB_TEST_EDITS';

const edits = JSON.parse(process.env[EDITS] ?? '[]') as readonly Edit[];
if (edits.length > 0) {
  registerHooks({
    load(url, context, nextLoad) {
      const edit = edits.filter(({ file }) => url.endsWith(`/${file}`));
      if (edit.length === 0) return nextLoad(url, context);
      const source = edit.reduce(apply, readFileSync(fileURLToPath(url), 'utf8'));
      return { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}

function apply(source: string, { file, find, replace }: Edit): string {
  if (source.split(find).length !== 2) throw new Error(`${file} must have this once: ${find}`);
  return source.replace(find, () => replace);
}
