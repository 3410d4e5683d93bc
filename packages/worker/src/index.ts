export { publishInSpans } from './instance/message-spans.ts';
export { type RunningWorker, type StartOptions, type StopOptions, startWorker, type WorkerState } from './instance/start.ts';
export { done, type Outcome, reject, retry } from './outcome.ts';
export { commonSettings, settingsOf } from './program/common-settings.ts';
export { type Opened, type Places, type Process, type Program, type RunOptions, runMain, runProgram } from './program/program.ts';
export { main, runWorker } from './program/run-worker.ts';
export { eventIds, type Random, systemRandom } from './random.ts';
export { type TestSpan, testTracing } from './testing/test-tracing.ts';
export { type TestMessage, type TestOptions, type TestWorker, testWorker } from './testing/test-worker.ts';
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
