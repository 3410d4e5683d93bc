/** The texts that `pnpm new-service` writes. */

/** What the texts are about. */
export interface NewService {
  /** For example `s3-proxy`. */
  readonly name: string;
  /** For example `s3Proxy`. */
  readonly camelName: string;
  /** For example `s3ProxyWorker`. A name alone may be a word of the language, such as `import`. */
  readonly workerName: string;
  readonly group: string;
  /** For example `importGroup`. */
  readonly groupName: string;
}

/** mesh/{group}.ts */
export const groupFile = (group: string, groupName: string): string => `import { type Group, place } from './place.ts';

export const ${groupName}: Group = {
  name: '${group}',
  summary: 'The services of the group ${group}.',
  places: [
],
};
`;

/** packages/message/src/queues/{group}.ts */
export const catalogueFile = (
  group: string,
  queues: string,
): string => `import { betweenWorkers, type Catalogue, durable } from './entry.ts';

/** The queues of the group \`${group}\`. */
export const ${queues} = {
} as const satisfies Catalogue;
`;

/** The queue of the new service, in the catalogue of its group. */
export const queueOf = ({ name, camelName }: NewService): string => `  ${camelName}: {
    ...durable,
    ...betweenWorkers,
    name: '${name}',
    purpose: 'Messages for ${name}.',
    from: [],
    to: ['${name}'],
    body: 'bytes',
    meta: [],
  },
`;

/** The files of services/{name}, by path. */
export const serviceFiles = (service: NewService): [path: string, text: string][] => [
  ['package.json', manifest(service)],
  ['README.md', readme(service)],
  ['src/main.ts', main],
  ['src/worker.ts', worker(service)],
  ['src/worker.test.ts', test(service)],
];

const summary = (name: string): string => `Takes messages from the queue ${name} and acks them.`;

const manifest = ({ name }: NewService): string => `{
  "name": "@blockhub/${name}",
  "version": "0.1.0",
  "private": true,
  "description": "${summary(name)}",
  "license": "Apache-2.0",
  "type": "module",
  "exports": {
    ".": "./src/worker.ts"
  },
  "dependencies": {
    "@blockhub/message": "workspace:*",
    "@blockhub/settings": "workspace:*",
    "@blockhub/worker": "workspace:*"
  }
}
`;

const readme = ({ name }: NewService): string => `# ${name}

${summary(name)}

It gives no messages.

## Life of a message

1. The message is taken.
2. It is acked.

## Settings

<!-- settings -->

<!-- /settings -->
`;

const main = `import { main } from '@blockhub/worker';
import { worker } from './worker.ts';

await main(worker);
`;

const worker = ({ name, camelName, group }: NewService): string => `import { catalogues } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { defineWorker, done } from '@blockhub/worker';

const settings = {
  in: setting.text({ text: 'Queue to take messages from.', default: catalogues.${group}.${camelName}.name }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled messages.', default: 100, min: 1, max: 2000 }),
};

export const worker = defineWorker({
  name: '${name}',
  summary: '${summary(name)}',
  settings,
  needs: [],
  takes: ({ in: queue, prefetch }) => [{ queue, prefetch }],
  handle(message, { log }) {
    log.debug({ bytes: message.body.length }, 'message handled');
    return done();
  },
});
`;

const test = ({ name }: NewService): string => `import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

let running: TestWorker;
beforeEach(async () => {
  running = await testWorker(worker);
});
afterEach(() => running.stop());

test('a message is handled and acked', async () => {
  await running.publish('${name}', { id: '1', body: 'hello' });
  await running.run(0);
  const left = (await running.broker.queues()).filter(({ ready, unacked }) => ready + (unacked ?? 0) > 0);
  expect(left).toEqual([]);
});
`;
