import { envName } from '@blockhub/settings';
import { pipeline, type Stage } from '@blockhub/standalone';
import { worker as webToMsg } from '@blockhub/web-to-msg';

/** A service as a process of its own, at its place in the pipeline. */
export interface Place {
  readonly name: string;
  /** Its folder. */
  readonly service: string;
  /** What it needs beside the broker. */
  readonly needs: Stage['needs'];
  /** Variables that differ from the defaults. */
  readonly env: Readonly<Record<string, string>>;
}

/** The places of the pipeline as `pnpm start` has them, from its end to its beginning, and capture before them. */
export function places(partitions: number): Place[] {
  const behind = pipeline({ partitions }).map(({ name, needs, settings }) => ({
    name,
    service: name.replace(/^deploy-.*/, 'deploy'),
    needs,
    env: Object.fromEntries(Object.entries(settings).map(([setting, value]) => [envName(setting), String(value)])),
  }));
  return [...behind, { name: 'web-to-msg', service: 'web-to-msg', needs: webToMsg.needs, env: {} }];
}
