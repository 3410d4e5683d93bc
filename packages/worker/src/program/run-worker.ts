import { hostname } from 'node:os';
import { systemClock } from '@blockhub/clock';
import type { SettingsShape, Values } from '@blockhub/settings';
import { credentialsOf } from '@blockhub/store';
import { startWorker } from '../instance/instance.ts';
import { eventIds, systemRandom } from '../random.ts';
import type { Worker } from '../types.ts';
import { type ProcessShape, settingsOf, type WorkerValues } from './common-settings.ts';
import { type Program, type RunOptions, runMain, runProgram } from './program.ts';

/**
 * Runs a worker as a process of its own, which opens what it needs by URL. See `runProgram` for its
 * life and exit codes.
 */
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
      // The type cannot express it: which settings there are depends on the needs of the worker.
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
