import { formatDuration, formatSize, jsonSchema, type Setting } from '@blockhub/settings';
import type { ChartPlace } from './places.ts';
import { type Value, type ValueGroup, type Values, value } from './value.ts';

/** A URL never holds who may open it: others read the specification of a pod. */
const urlPattern = (schemes: string): string => `^((${schemes})://[^@]*)?$`;

const server = (what: string, schemes: string, url: string, keys: string, more: Values = {}): ValueGroup => ({
  text: what,
  values: {
    url: value.text(url, '', urlPattern(schemes)),
    secret: value.text(`Name of a Secret with ${keys}. Empty: the one that the chart \`blockhub\` makes, or with a URL of your own: none.`),
    ...more,
  },
});

/** Queues that chains are spread over, where nobody says how many. */
export const PARTITIONS = 2;

/** Every address of a pod. The pod's own address is not known when the chart is rendered. */
const EVERY_ADDRESS = ['::', '0.0.0.0'];
const POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
const FAMILIES = ['IPv4', 'IPv6'];

/** What all charts are told alike. */
export const globalValues: Values = {
  global: {
    text: 'What all charts of a mesh have in common.',
    open: true,
    values: {
      image: {
        text: 'The image of Blockhub.',
        values: {
          repository: { ...value.text('Without tag.', 'blockhub'), schema: { type: 'string', minLength: 1 } },
          tag: value.text('Empty: the version of the chart.', '', '^[\\w.-]{0,128}$'),
          digest: value.text('Instead of the tag: sha256:…', '', '^(sha256:[0-9a-f]{64})?$'),
          pullPolicy: value.choice('When to pull it.', 'IfNotPresent', ['IfNotPresent', 'Always', 'Never']),
          pullSecrets: value.list('Names of Secrets to pull it with.', 'string'),
        },
      },
      broker: server(
        'RabbitMQ.',
        'amqps?',
        'amqp://host:5672/vhost, or amqps:. Empty: the one of the chart `blockhub`.',
        'a password under the name of each place, and `setup` (with `user`: one under `password`)',
        { user: value.text('One user for all. Empty: each place has a user of its name.') },
      ),
      store: server(
        'The bucket.',
        's3',
        's3://endpoint/bucket/prefix, or s3:///bucket?region=… for AWS. Empty: the one of the chart `blockhub`.',
        '`accessKey` and `secretKey`',
      ),
      registry: server(
        'Redis, or what speaks like it.',
        'rediss?',
        'redis://host:6379, or rediss:. Empty: the one of the chart `blockhub`.',
        '`password`',
      ),
      serviceAccount: {
        text: 'Who the pods of Blockhub are to Kubernetes, and to a cloud that gives roles to it.',
        values: {
          create: value.flag('Whether the chart makes it.', false),
          name: value.text(
            'Its name. Empty: `{release}-mesh` where it is made, else the default one of the namespace.',
            '',
            '^[a-z0-9.-]{0,253}$',
          ),
          annotations: value.strings('Its annotations, where it is made, such as `eks.amazonaws.com/role-arn`.'),
          automount: value.flag('Whether pods get its token for the API of Kubernetes, which Blockhub never asks.', false),
        },
      },
      partitions: value.integer('Queues that chains are spread over; never to be changed.', PARTITIONS, 1, 1024),
      env: value.variables('Further variables of all services, by name. No secrets, and no settings.'),
      monitoring: {
        text: 'For the Prometheus operator and Grafana.',
        values: {
          podMonitor: value.flag('Metrics of each place are scraped.', false),
          rules: value.flag('Alert rules (chart `blockhub` only).', false),
          runbooks: {
            ...value.text(
              'Where the pages of docs/runbooks are: what `runbook_url` of each alert begins with (chart `blockhub` only).',
              'docs/runbooks',
            ),
            schema: { type: 'string', pattern: '^[^\\s\'"#]+[^\\s\'"#/]$' },
          },
          dashboard: value.flag('A ConfigMap with a Grafana dashboard (chart `blockhub` only).', false),
          labels: value.strings('Labels by which Prometheus and Grafana find them.'),
          namespaceSelector: value.map('From which namespaces NetworkPolicies let scrapers in; empty: from all.'),
        },
      },
      listen: value.choice(
        'Address that pods listen on. `::` is every IPv6 and IPv4 address, or every IPv4 address if the kernel has no IPv6; `0.0.0.0` is every IPv4 address.',
        '::',
        EVERY_ADDRESS,
      ),
      ipFamilyPolicy: value.choice(
        'IP families of every Service. PreferDualStack uses IPv4 and IPv6 if the cluster has both, else the one that it has.',
        'PreferDualStack',
        POLICIES,
      ),
      ipFamilies: value.choices('IP families of every Service, the first one first: IPv4, IPv6. Empty: the cluster chooses.', FAMILIES),
      networkPolicy: {
        text: 'NetworkPolicies that refuse all but what is needed.',
        values: {
          enabled: value.flag('Whether they are there.', true),
          egress: value.list('Further rules of egress of all pods of Blockhub.', 'object'),
        },
      },
    },
  },
};

/** Said elsewhere: by `global`, by other values, or by the chart itself. */
const chartOwned = new Set([
  'broker',
  'brokerUser',
  'brokerPassword',
  'store',
  'storeAccessKey',
  'storeSecretKey',
  'registry',
  'registryPassword',
  'partitions',
  'instance',
  'probeHost',
  'probePort',
  'host',
  'port',
  'spool',
  'data',
]);

/** As one would type it in YAML. */
function typed({ kind, format }: Setting<unknown>, it: unknown): unknown {
  if (kind === 'size') return formatSize(it as number);
  if (kind === 'duration') return formatDuration(it as number);
  return kind === 'text' || kind === 'url' ? format(it) : it;
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

function settingValue(name: string, one: Setting<unknown>, schema: Record<string, unknown>, given: unknown): Value {
  const { default: _, description: __, examples: ___, ...form } = schema;
  const preset = given ?? (name === 'grace' ? one.default : undefined);
  const shown = one.default === undefined ? '' : ` Default: \`${JSON.stringify(typed(one, one.default)).replace(/^"(.*)"$/, '$1')}\`.`;
  const choice = Array.isArray(form.enum) ? ` One of ${form.enum.join(', ')}.` : '';
  const example = one.secret
    ? { secret: 'my-secret', key: name }
    : (one.example ?? (one.default === undefined ? undefined : typed(one, one.default)));
  return {
    text: `${sentence(one.text)}${one.secret ? ' In a key of a Secret.' : ''}${choice}${preset === undefined || given !== undefined ? shown : ''}`,
    schema: form,
    ...(preset === undefined ? {} : { preset: typed(one, preset) }),
    ...(example === undefined ? {} : { example: one.kind === 'list' && typeof example === 'string' ? example.split(',') : example }),
  };
}

function settingsGroup({ settings, given }: ChartPlace): ValueGroup {
  const own = Object.fromEntries(Object.entries(settings).filter(([name]) => !chartOwned.has(name)));
  const { properties } = jsonSchema(own) as { properties: Record<string, Record<string, unknown>> };
  return {
    text: 'Settings of the service; each becomes a variable BLOCKHUB_…, a secret a mounted file.',
    values: Object.fromEntries(
      Object.entries(own).map(([name, one]) => [name, settingValue(name, one, properties[name] ?? {}, given[name])]),
    ),
  };
}

const volumeValues = (text: string, size: string): Values => ({
  size: value.size(text, size),
  storageClass: value.text('Storage class; empty: the default one.'),
});

/** Requests are what it takes at rest; there is no limit of CPU, because a throttled worker is a slow chain. */
function resources({ name, listens, needs }: ChartPlace): object {
  if (name === 'standalone') return { requests: { cpu: '50m', memory: '160Mi' }, limits: { memory: '512Mi' } };
  if (listens) return { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '384Mi' } };
  // Code of S3 is loaded by those that use it.
  return { requests: { cpu: '10m', memory: needs.includes('store') ? '72Mi' : '56Mi' }, limits: { memory: '256Mi' } };
}

const httpValues: Values = {
  preStopSeconds: value.integer('How long a pod that ends still takes requests, until traffic goes elsewhere.', 5, 0, 300),
  service: {
    text: 'The Service that senders reach.',
    values: {
      type: value.choice('Its type.', 'ClusterIP', ['ClusterIP', 'NodePort', 'LoadBalancer']),
      port: value.integer('Its port.', 8080, 1, 65_535),
      annotations: value.map('Annotations.'),
      ipFamilyPolicy: value.choice('Its IP families. Empty: `global.ipFamilyPolicy`.', '', ['', ...POLICIES]),
      ipFamilies: value.choices('Its IP families, the first one first. Empty: `global.ipFamilies`.', FAMILIES),
    },
  },
  ingress: {
    text: 'An Ingress before it.',
    values: {
      enabled: value.flag('Whether there is one.', false),
      className: value.text('Ingress class; empty: the default one.'),
      annotations: value.map('Annotations.'),
      hosts: value.list('Host names; none: all.', 'string'),
      path: value.text('Prefix of paths.', '/', '^/'),
      tlsSecret: value.text('Name of a Secret with certificate and key; empty: no TLS.'),
    },
  },
  route: {
    text: 'An HTTPRoute of the Gateway API before it.',
    values: {
      enabled: value.flag('Whether there is one.', false),
      parentRefs: value.list('Gateways, as `{name, namespace, sectionName}`.', 'object'),
      hostnames: value.list('Host names; none: those of the gateway.', 'string'),
      annotations: value.map('Annotations.'),
      path: value.text('Prefix of paths.', '/', '^/'),
    },
  },
};

function autoscaling({ listens }: ChartPlace): ValueGroup {
  const by = listens
    ? { by: value.choice('What counts: the CPU of the pods.', 'cpu', ['cpu']) }
    : {
        by: value.choice('What counts: messages that wait (needs KEDA), or the CPU of the pods.', 'queue', ['queue', 'cpu']),
        messages: value.integer('Messages that wait for each pod.', 1000, 1),
      };
  return {
    text: 'How many pods there are is decided by an autoscaler.',
    values: {
      enabled: value.flag('Whether it is.', false),
      minReplicas: value.integer('Fewest pods.', 1, 1),
      maxReplicas: value.integer('Most pods. Of partitioned places more than `global.partitions` only wait.', 2, 1),
      cpuPercent: value.integer('CPU in percent of what is requested.', 75, 1),
      ...by,
    },
  };
}

/** All values of the chart of a place. */
export function serviceValues(place: ChartPlace): Values {
  const { name, listens, volume } = place;
  const isAlone = name === 'standalone';
  const spool: Values = {
    spool: {
      text: 'A volume of each pod for what RabbitMQ does not take: such requests are answered with 202 and sent later. Without it they get 503.',
      values: {
        enabled: value.flag('Whether there is one.', true),
        ...volumeValues('Its size; `settings.spoolLimit` must be smaller.', '2Gi'),
      },
    },
  };
  const data: Values = { data: { text: 'The volume that holds everything.', values: volumeValues('Its size.', '10Gi') } };
  return {
    ...(isAlone
      ? { replicas: { ...value.integer('Pods: one, as it shares its data with nobody.', 1, 0, 1) } }
      : { replicas: value.integer('Pods, where no autoscaler decides.', 1) }),
    settings: settingsGroup(place),
    env: value.variables('Further variables, by name. No secrets, and no settings.'),
    listen: value.choice('Address that its pods listen on. Empty: `global.listen`.', '', ['', ...EVERY_ADDRESS]),
    resources: value.map('What a pod asks for, and may take.', resources(place)),
    ...(volume?.of === 'spool' ? spool : volume?.of === 'data' ? data : {}),
    ...(listens ? httpValues : {}),
    ...(isAlone ? {} : { autoscaling: autoscaling(place) }),
    podDisruptionBudget: value.flag('One pod at a time may be taken away, where there are more than one.', true),
    topologySpread: value.flag('Pods are spread over nodes and zones, if it can be done.', true),
    networkPolicy: {
      text: 'Beside what the chart allows.',
      values: {
        ...(listens ? { from: value.list('Who may send; none: everybody.', 'object') } : {}),
        ingress: value.list('Further rules of ingress.', 'object'),
        egress: value.list('Further rules of egress.', 'object'),
      },
    },
    podLabels: value.strings('Further labels of pods.'),
    podAnnotations: value.strings('Annotations of pods.'),
    nodeSelector: value.map('Labels of the nodes where pods may run.'),
    tolerations: value.list('Taints of nodes that pods bear.', 'object'),
    affinity: value.map('Affinity of pods.'),
    priorityClassName: value.text('Priority class of pods.'),
    ...globalValues,
  };
}

/** What Helm itself puts beside the values of a chart. */
export const helmOwned: Readonly<Record<string, object>> = {
  enabled: { description: 'Whether the chart `blockhub` has this one.', type: 'boolean' },
  'blockhub-lib': { description: 'Put here by Helm.', type: 'object' },
};
