import { hostname } from 'node:os';
import { systemClock } from '@blockhub/clock';
import type { SettingsShape, Values } from '@blockhub/settings';
import { credentialsOf } from '@blockhub/store';
import { startWorker } from '../instance/instance.ts';
import { eventIds, systemRandom } from '../random.ts';
import type { Worker } from '../types.ts';
import { type ProcessShape, settingsOf, type WorkerValues } from './common-settings.ts';
import { type Program, runMain } from './program.ts';

/** The whole `main.ts` of a service: `await main(worker)`. */
export const main = <Shape extends SettingsShape, State>(worker: Worker<Shape, State>): Promise<void> => runMain(programOf(worker));

export function programOf<Shape extends SettingsShape, State>(worker: Worker<Shape, State>): Program<ProcessShape> {
  const { name, summary } = worker;
  return {
    name,
    summary,
    settings: settingsOf(worker),
    async start(given, { open, workers }) {
      // The type cannot express it: which settings there are depends on the needs of the worker.
      const values = given as unknown as Values<Shape> & WorkerValues;
      const resources = await open({ ...values, credentials: credentialsOf(values), reliesOnRegistry: worker.reliesOnRegistry?.(values) });
      const instance = values.instance ?? `${hostname()}-${eventIds(systemClock, systemRandom)().slice(-8)}`;
      workers.push(await startWorker(worker, { ...resources, settings: values, instance, maxAttempts: values.maxAttempts }));
    },
  };
}
