import { chain, groups } from '@blockhub/mesh';
import { places } from './places.ts';
import { globalValues } from './service-values.ts';
import { type ValueGroup, type Values, value } from './value.ts';

const image = (repository: string, tag: string): ValueGroup => ({
  text: 'Its image.',
  values: {
    repository: value.text('Without tag.', repository),
    tag: value.text('Its tag.', tag, '^[\\w.-]{0,128}$'),
    digest: value.text('Instead of the tag: sha256:…', '', '^(sha256:[0-9a-f]{64})?$'),
    pullPolicy: value.choice('When to pull it.', 'IfNotPresent', ['IfNotPresent', 'Always', 'Never']),
  },
});

const storage = (size: string): ValueGroup => ({
  text: 'The volume that holds what it keeps. It stays when the chart is uninstalled.',
  values: { size: value.size('Its size.', size), storageClass: value.text('Storage class; empty: the default one.') },
});

const placement: Values = {
  nodeSelector: value.map('Labels of the nodes where its pod may run.'),
  tolerations: value.list('Taints of nodes that its pod bears.', 'object'),
  affinity: value.map('Affinity of its pod.'),
  priorityClassName: value.text('Priority class of its pod.'),
};

const resources = (cpu: string, memory: string, limit: string) =>
  value.map('What its pod asks for, and may take.', { requests: { cpu, memory }, limits: { memory: limit } });

const own: Values = {
  rabbitmq: {
    text: 'RabbitMQ of one node, for development. Queues and a user for each place are there when it starts.',
    values: {
      enabled: value.flag('Whether there is one; without it `global.broker.url` is needed.', true),
      image: image('docker.io/library/rabbitmq', '4.3.5-management'),
      config: value.text('Further lines of rabbitmq.conf.'),
      networkPolicy: {
        text: 'Beside what the chart allows.',
        values: { ingress: value.list('Further rules of ingress, such as for KEDA.', 'object') },
      },
      resources: resources('50m', '144Mi', '768Mi'),
      storage: storage('4Gi'),
      ...placement,
    },
  },
  valkey: {
    text: 'Valkey, which speaks as Redis, of one node, for development.',
    values: {
      enabled: value.flag('Whether there is one; without it `global.registry.url` is needed.', true),
      image: image('docker.io/valkey/valkey', '9.1.0'),
      command: value.text('Its program: valkey-server, or redis-server for an image of Redis.', 'valkey-server'),
      resources: resources('10m', '16Mi', '128Mi'),
      storage: storage('1Gi'),
      ...placement,
    },
  },
  minio: {
    text: 'An S3 server of one node (MinIO, or what is started as it is), for development.',
    values: {
      enabled: value.flag('Whether there is one; without it `global.store.url` is needed.', true),
      image: image('docker.io/pgsty/silo', 'RELEASE.2026-08-06T00-00-00Z'),
      // What it keeps after the first start of a mesh has tried it out.
      resources: resources('20m', '256Mi', '512Mi'),
      storage: storage('10Gi'),
      ...placement,
    },
  },
  setup: {
    text: 'A Job that makes bucket, queues and the first chain, as far as they are not there; a new one with each upgrade.',
    values: {
      enabled: value.flag('Whether there is one.', true),
      chain: value.text('The first chain; empty: none.', 'default', '^[a-z0-9._-]{0,63}$'),
      wait: value.text('How long store and broker may take to answer.', '5m', '^[0-9]+(ms|s|m|h)?$'),
      resources: resources('20m', '96Mi', '256Mi'),
    },
  },
  test: {
    text: 'What `helm test` does: it sends an event and waits until it is in a block.',
    values: {
      chain: value.text('The chain that gets it, by id or name.', 'default'),
      wait: value.text('How long it may take.', '2m', '^[0-9]+(ms|s|m|h)?$'),
      token: {
        text: 'Where senders need a token or an API key.',
        values: { secret: value.text('Name of a Secret; empty: they need none.'), key: value.text('The key in it.', 'token') },
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
 * Values with an earlier name. A file of values that still has one is refused, and Helm prints the text
 * that its schema demands. A group of places with such a name takes the name over.
 */
export const renamedValues: Readonly<Record<string, object>> = {
  registry: { const: 'renamed: use valkey instead of registry' },
  store: { const: 'renamed: use minio instead of store' },
};

/** All values of the umbrella chart; those of its places are described by their own charts. */
export const umbrellaValues: Values = {
  ...globalValues,
  ...own,
  ...Object.fromEntries(
    groups.map(({ name, summary }) => {
      const text = `The group ${name}. ${summary}`;
      return [name, { text, values: { enabled: value.flag('Install the services of this group.', name === chain.name) } }];
    }),
  ),
  ...Object.fromEntries(
    places.map(({ name, summary, group }) => {
      const text = `${summary} Values as in charts/${name}.`;
      const { preset: _, ...enabled } = value.flag(`Install this service. If it is not set, \`${group}.enabled\` decides.`, true);
      const alone = value.flag('Install this service.', false);
      return [name, { text, open: true, values: { enabled: group === undefined ? alone : { ...enabled, example: true } } }];
    }),
  ),
};
