export { eventIds, type Random, systemRandom } from './chance.ts';
export { commonSettings, settingsOf } from './common.ts';
export { publishInSpans } from './message-spans.ts';
export { done, type Outcome, reject, retry } from './outcome.ts';
export { type Opened, type Places, type Process, type Program, type RunOptions, runMain, runProgram } from './process.ts';
export { main, runWorker } from './run.ts';
export { type RunningWorker, type StartOptions, type StopOptions, startWorker, type WorkerState } from './start.ts';
export { type TestSpan, testTracing } from './test-tracing.ts';
export { type TestMessage, type TestOptions, type TestWorker, testWorker } from './test-worker.ts';
export {
  type BatchHandled,
  type BatchPolicy,
  type Context,
  defineWorker,
  type Handled,
  type Need,
  type Take,
  type Worker,
} from './types.ts';
