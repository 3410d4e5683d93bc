import { envName } from '@blockhub/settings';
import { pipeline } from '@blockhub/standalone';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import type { Worker } from '@blockhub/worker';

/** A service as a process of its own, at its place in the pipeline. */
export interface Place {
  readonly name: string;
  /** Its folder. */
  readonly service: string;
  /** What it needs beside the broker. */
  readonly needs: Worker['needs'];
  /** Variables that differ from the defaults. */
  readonly env: Readonly<Record<string, string>>;
}

/** The places of the pipeline as `pnpm start` has them, from its end to its beginning, and capture before them. */
export function places(partitions: number): Place[] {
  const behind = pipeline({ partitions }).map(({ name, worker, settings }) => ({
    name,
    service: worker.name,
    needs: worker.needs,
    env: Object.fromEntries(Object.entries(settings).map(([setting, value]) => [envName(setting), String(value)])),
  }));
  return [...behind, { name: 'web-to-msg', service: 'web-to-msg', needs: webToMsg.needs, env: {} }];
}
