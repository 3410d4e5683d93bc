import { chain, groups } from '@blockhub/mesh';
import { places } from './places.ts';
import { globalValues, imageValues, placement, resourceValue, volumeValues } from './service-values.ts';
import { type Value, type ValueGroup, type Values, value } from './value.ts';

const resources = (cpu: string, memory: string, limit: string): Value =>
  resourceValue({ requests: { cpu, memory }, limits: { memory: limit } });

/** A server of one node for development. */
const server = (text: string, key: string, size: string, more: Values): ValueGroup => ({
  text,
  values: {
    enabled: value.flag(`Install this server. If it is false, \`global.${key}.url\` is required.`, true),
    ...more,
    storage: { text: 'The volume of the server. It stays when the chart is uninstalled.', values: volumeValues(size) },
    ...placement,
  },
});

const image = (repository: string, tag: string): ValueGroup => ({ text: 'The image of the server.', values: imageValues(repository, tag) });

const duration = (text: string, preset: string): Value => value.text(text, preset, '^[0-9]+(ms|s|m|h)?$');

const own: Values = {
  rabbitmq: server('RabbitMQ with one node, for development. It starts with all queues and a user for each place.', 'broker', '4Gi', {
    image: image('docker.io/library/rabbitmq', '4.3.5-management'),
    config: value.text('Further lines of rabbitmq.conf.'),
    networkPolicy: {
      text: 'Additions to the NetworkPolicy of the chart.',
      values: { ingress: value.list('Further ingress rules, for example for KEDA.', 'object') },
    },
    resources: resources('50m', '144Mi', '768Mi'),
  }),
  valkey: server('Valkey with one node, for development. It is the registry, with the protocol of Redis.', 'registry', '1Gi', {
    image: image('docker.io/valkey/valkey', '9.1.0'),
    command: value.text('Program in the image: valkey-server, or redis-server in an image of Redis.', 'valkey-server'),
    resources: resources('10m', '16Mi', '128Mi'),
  }),
  minio: server('MinIO with one node, for development. It is the store. Images that start like MinIO can be used.', 'store', '10Gi', {
    image: image('docker.io/pgsty/silo', 'RELEASE.2026-08-06T00-00-00Z'),
    // The memory that it uses after the first events of a new mesh.
    resources: resources('20m', '256Mi', '512Mi'),
  }),
  setup: {
    text: 'A Job that creates the bucket, the queues and the first chain, if they do not exist. Each upgrade runs it again.',
    values: {
      enabled: value.flag('Run this Job.', true),
      chain: value.text('Name of the first chain. If it is empty, no chain is created.', 'default', '^[a-z0-9._-]{0,63}$'),
      wait: duration('How long the Job waits for the store and the broker.', '5m'),
      resources: resources('20m', '96Mi', '256Mi'),
    },
  },
  test: {
    text: 'The test that `helm test` runs: it sends an event and waits until the event is in a block.',
    values: {
      chain: value.text('Chain that gets the event, by id or name.', 'default'),
      wait: duration('How long the test waits for the block.', '2m'),
      token: {
        text: 'The token or API key of the test, if senders need one.',
        values: {
          secret: value.text('Name of a Secret with the token. If it is empty, the test sends no token.'),
          key: value.text('Key of the token in the Secret.', 'token'),
        },
      },
    },
  },
};

/** A group, a place and a server of the umbrella chart cannot have the same name. */
function checkNames(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new TypeError(`the umbrella chart has two values with the name ${twice}: rename the group or place`);
}
checkNames([...Object.keys(globalValues), ...Object.keys(own), ...groups.map(({ name }) => name), ...places.map(({ name }) => name)]);

/**
 * Earlier names of values. The schema refuses a file of values with such a name, and Helm prints
 * the text. If a group of places gets such a name, the value of the group replaces the entry.
 */
export const renamedValues: Readonly<Record<string, object>> = {
  registry: { const: 'renamed: use valkey instead of registry' },
  store: { const: 'renamed: use minio instead of store' },
};

/** All values of the umbrella chart. The charts of its places describe the values of the places. */
export const umbrellaValues: Values = {
  ...globalValues,
  ...own,
  ...Object.fromEntries(
    groups.map(({ name, summary }) => {
      const text = `The group of places \`${name}\`. ${summary}`;
      return [name, { text, values: { enabled: value.flag('Install the services of this group.', name === chain.name) } }];
    }),
  ),
  ...Object.fromEntries(
    places.map(({ name, summary, group }) => {
      const text = `${summary} Its other values are those of charts/${name}.`;
      const { preset: _, ...enabled } = value.flag(`Install this service. If it is not set, \`${group}.enabled\` decides.`, true);
      const alone = value.flag('Install this service.', false);
      return [name, { text, open: true, values: { enabled: group === undefined ? alone : { ...enabled, example: true } } }];
    }),
  ),
};
