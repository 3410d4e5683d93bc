import { brokerLogin, brokerUserinfo } from '@blockhub/broker';
import { registrySecrets, registryUserinfo } from '@blockhub/registry';
import { type Setting, type SettingsShape, setting, type Values } from '@blockhub/settings';
import { storeSecrets, storeUserinfo } from '@blockhub/store';
import type { LogLevel } from '@blockhub/telemetry';
import type { Worker } from '../types.ts';

/**
 * Settings that mean the same in every service. `runWorker` adds all but `partitions`; a worker that knows partitions takes that one
 * into its own settings: `settings: { partitions: commonSettings.partitions }`.
 */
export const commonSettings = {
  broker: setting.url({ text: 'Where the queues are.', required: true, example: 'amqp://rabbitmq:5672', userinfo: brokerUserinfo }),
  ...brokerLogin,
  store: setting.url({
    text: 'Where the objects are.',
    required: true,
    example: 'file:///var/lib/blockhub/store',
    userinfo: storeUserinfo,
  }),
  ...storeSecrets,
  registry: setting.url({
    text: 'Where chains are known by name.',
    required: true,
    example: 'sqlite:///var/lib/blockhub/registry.sqlite',
    userinfo: registryUserinfo,
  }),
  ...registrySecrets,
  partitions: setting.integer({
    text: 'Queues that chains are spread over; the same in all services, for ever.',
    default: 1,
    min: 1,
    max: 1024,
  }),
  instance: setting.text({
    text: 'Name of this instance, unique among those that run; host name and chance when absent.',
    pattern: /^[\w.-]{1,100}$/,
  }),
  logLevel: setting.choice({
    text: 'Least level that is logged, to stdout, a JSON object a line.',
    of: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
  }),
  probeHost: setting.text({ text: 'Address of probes and metrics.', default: '127.0.0.1' }),
  probePort: setting.integer({ text: 'Port of probes and metrics.', default: 8081, max: 65_535 }),
  grace: setting.duration({ text: 'How long handlers may go on after a signal to stop.', default: '25s' }),
  maxAttempts: setting.integer({
    text: 'Tries until a message that fails for unknown reasons becomes a dead letter.',
    default: 20,
    min: 1,
  }),
} as const;

const { broker, store, registry, instance, logLevel, probeHost, probePort, grace, maxAttempts } = commonSettings;
const always = { broker, ...brokerLogin, instance, logLevel, probeHost, probePort, grace, maxAttempts };

/** The settings of a process, whatever runs in it. */
export interface ProcessShape extends SettingsShape {
  readonly logLevel: Setting<LogLevel>;
  readonly probeHost: Setting<string>;
  readonly probePort: Setting<number>;
  readonly grace: Setting<number>;
}

/** In how many queues a worker with these settings sees a partitioned one. */
export const partitionsOf = ({ partitions }: Readonly<Record<string, unknown>>): number =>
  typeof partitions === 'number' ? partitions : 1;

/** What `runWorker` itself reads; store and registry only where the worker needs them. */
export type WorkerValues = Values<typeof always> &
  Partial<Values<Pick<typeof commonSettings, 'store' | 'registry'> & typeof storeSecrets & typeof registrySecrets>>;

/** All settings of a worker's process, its own last. They make its `--help`, docs and chart values. */
export const settingsOf = (worker: Pick<Worker, 'needs' | 'settings'>): ProcessShape => ({
  ...always,
  ...(worker.needs.includes('store') ? { store, ...storeSecrets } : {}),
  ...(worker.needs.includes('registry') ? { registry, ...registrySecrets } : {}),
  ...worker.settings,
});
