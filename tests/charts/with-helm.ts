import { describe, test } from '@jest/globals';
import { type Helm, helms, noHelm } from './helm.ts';

/** Runs the tests with each installed Helm. */
export function each(name: string, tests: (version: string, which: Helm) => void): void {
  // `describe.each` refuses an empty table.
  if (helms.length === 0) test.skip(`charts (${noHelm})`, () => undefined);
  else describe.each(helms.map((one): [string, Helm] => [one.version, one]))(name, tests);
}

/** Values with servers of your own. */
export const external = {
  rabbitmq: { enabled: false },
  valkey: { enabled: false },
  minio: { enabled: false },
  global: {
    broker: { url: 'amqps://rabbit.example.com:5671/mesh', secret: 'rabbit', user: 'blockhub' },
    store: { url: 's3:///chains?region=eu-central-1' },
    registry: { url: 'rediss://redis.example.com:6380', secret: 'redis' },
  },
};
