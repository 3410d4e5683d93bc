import { hostname } from 'node:os';
import { systemClock } from '@blockhub/clock';
import type { SettingsShape, Values } from '@blockhub/settings';
import { credentialsOf } from '@blockhub/store';
import { startWorker } from '../instance/start.ts';
import { eventIds, systemRandom } from '../random.ts';
import type { Worker } from '../types.ts';
import { type ProcessShape, settingsOf, type WorkerValues } from './common-settings.ts';
import { type Program, type RunOptions, runMain, runProgram } from './program.ts';

/** A worker as a process of its own: it opens what it needs by URL. See `runProgram` for its life and its exit codes. */
export const runWorker = <Shape extends SettingsShape, State>(worker: Worker<Shape, State>, options: RunOptions = {}): Promise<number> =>
  runProgram(programOf(worker), options);

/** The whole `main.ts` of a service: `await main(worker)`. */
export const main = <Shape extends SettingsShape, State>(worker: Worker<Shape, State>): Promise<void> => runMain(programOf(worker));

function programOf<Shape extends SettingsShape, State>(worker: Worker<Shape, State>): Program<ProcessShape> {
  const { name, summary } = worker;
  return {
    name,
    summary,
    settings: settingsOf(worker),
    async start(given, { open, workers }) {
      // The shape holds both parts, which its type cannot say: it depends on what the worker needs.
      const values = given as unknown as Values<Shape> & WorkerValues;
      const { broker, brokerUser, brokerPassword, store, registry, registryPassword, maxAttempts } = values;
      const opened = await open({
        broker,
        brokerUser,
        brokerPassword,
        store,
        credentials: credentialsOf(values),
        registry,
        registryPassword,
        reliesOnRegistry: worker.reliesOnRegistry?.(values),
      });
      const instance = values.instance ?? `${hostname()}-${eventIds(systemClock, systemRandom)().slice(-8)}`;
      workers.push(await startWorker(worker, { ...opened, settings: values, instance, maxAttempts }));
    },
  };
}
