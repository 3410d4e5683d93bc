import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const main = join(import.meta.dirname, '../../packages/cli/src/main.ts');

/** How `blockhub` starts Node. The first line of the command is the one place that decides it. */
export interface NodeStart {
  /** Variables of the environment, as NAME=value. */
  readonly environment: readonly string[];
  readonly flags: readonly string[];
}

export function readNodeStart(): NodeStart {
  const [, environment = '', flags = ''] = /^#!\/usr\/bin\/env -S (.*?)node (.*)$/m.exec(readFileSync(main, 'utf8')) ?? [];
  if (flags === '') throw new Error(`${main} does not begin with a line that starts node with flags`);
  return { environment: environment.split(' ').filter(Boolean), flags: flags.split(' ').filter(Boolean) };
}
