import { brokerLogin, brokerUserinfo } from '@blockhub/broker';
import { registrySecrets, registryUserinfo } from '@blockhub/registry';
import { type Setting, type SettingsShape, setting, type Values } from '@blockhub/settings';
import { storeSecrets, storeUserinfo } from '@blockhub/store';
import type { LogLevel } from '@blockhub/telemetry';
import type { Worker } from '../types.ts';

/**
 * Settings that mean the same in every service. `programOf` adds all but `partitions`. A worker
 * with partitioned queues adds it: `settings: { partitions: commonSettings.partitions }`.
 */
export const commonSettings = {
  broker: setting.url({
    text: 'URL of the broker, which keeps the queues.',
    required: true,
    example: 'amqp://rabbitmq:5672',
    userinfo: brokerUserinfo,
  }),
  ...brokerLogin,
  store: setting.url({
    text: 'URL of the store, which keeps blobs, blocks and chains.',
    required: true,
    example: 'file:///var/lib/blockhub/store',
    userinfo: storeUserinfo,
  }),
  ...storeSecrets,
  registry: setting.url({
    text: 'URL of the registry, which maps the names of chains to their ids.',
    required: true,
    example: 'sqlite:///var/lib/blockhub/registry.sqlite',
    userinfo: registryUserinfo,
  }),
  ...registrySecrets,
  partitions: setting.integer({
    text: 'Number of partitions. Use the same value in every service, and never change it.',
    default: 1,
    min: 1,
    max: 1024,
  }),
  instance: setting.text({
    text: 'Name of this instance; no two running instances may share it. If it is not set, it is the host name with a random ending.',
    pattern: /^[\w.-]{1,100}$/,
  }),
  logLevel: setting.choice({
    text: 'Lowest level that is logged. The log goes to standard output, with one JSON object per line.',
    of: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
  }),
  probeHost: setting.text({ text: 'Address where probes and metrics listen.', default: '127.0.0.1' }),
  probePort: setting.integer({ text: 'Port where probes and metrics listen. 0 takes a free port.', default: 8081, max: 65_535 }),
  grace: setting.duration({
    text: 'How long handlers may go on after SIGTERM. After that, unsettled messages go back to their queues.',
    default: '25s',
  }),
  maxAttempts: setting.integer({
    text: 'Maximum number of attempts for a message that fails for an unknown reason. After the last one it becomes a dead letter.',
    default: 20,
    min: 1,
  }),
} as const;

const { broker, store, registry, instance, logLevel, probeHost, probePort, grace, maxAttempts } = commonSettings;
const always = { broker, ...brokerLogin, instance, logLevel, probeHost, probePort, grace, maxAttempts };

export interface ProcessShape extends SettingsShape {
  readonly logLevel: Setting<LogLevel>;
  readonly probeHost: Setting<string>;
  readonly probePort: Setting<number>;
  readonly grace: Setting<number>;
}

/** The number of partitions in these settings; 1 if the worker has no such setting. */
export const partitionsOf = ({ partitions }: Readonly<Record<string, unknown>>): number =>
  typeof partitions === 'number' ? partitions : 1;

/** What `programOf` itself reads; store and registry only if the worker needs them. */
export type WorkerValues = Values<typeof always> &
  Partial<Values<Pick<typeof commonSettings, 'store' | 'registry'> & typeof storeSecrets & typeof registrySecrets>>;

/** All settings of a worker's process, its own last, for `--help`, docs and chart values. */
export const settingsOf = (worker: Pick<Worker, 'needs' | 'settings'>): ProcessShape => ({
  ...always,
  ...(worker.needs.includes('store') ? { store, ...storeSecrets } : {}),
  ...(worker.needs.includes('registry') ? { registry, ...registrySecrets } : {}),
  ...worker.settings,
});
