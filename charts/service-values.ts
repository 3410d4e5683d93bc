import { formatDuration, formatSize, jsonSchema, type Setting, sentence } from '@blockhub/settings';
import type { ChartPlace } from './places.ts';
import { type Value, type ValueGroup, type Values, value } from './value.ts';

/**
 * A URL cannot contain credentials: more people can read the specification of a pod than a Secret.
 */
const urlPattern = (schemes: string): string => `^((${schemes})://[^@]*)?$`;

const server = (what: string, schemes: string, url: string, keys: string, more: Values = {}): ValueGroup => ({
  text: what,
  values: {
    url: value.text(`${url} If it is empty, the server of the chart \`blockhub\` is used.`, '', urlPattern(schemes)),
    secret: value.text(
      `Name of a Secret with ${keys}. If it is empty, the Secret of the chart \`blockhub\` is used, or none if \`url\` is set.`,
    ),
    ...more,
  },
});

export const imageValues = (repository: string, tag = ''): Values => ({
  repository: { ...value.text('Repository of the image, without a tag.', repository), schema: { type: 'string', minLength: 1 } },
  tag: value.text(`Tag of the image.${tag ? '' : ' If it is empty, the version of the chart is used.'}`, tag, '^[\\w.-]{0,128}$'),
  digest: value.text('Digest of the image, such as sha256:…. It is used instead of the tag.', '', '^(sha256:[0-9a-f]{64})?$'),
  pullPolicy: value.choice('When a node pulls the image.', 'IfNotPresent', ['IfNotPresent', 'Always', 'Never']),
});

export const volumeValues = (size: string, more = ''): Values => ({
  size: value.size(`Size of the volume.${more}`, size),
  storageClass: value.text('Storage class of the volume. If it is empty, the default class of the cluster is used.'),
});

/** Where pods may run. */
export const placement: Values = {
  nodeSelector: value.map('Labels that a node must have to run the pods.'),
  tolerations: value.list('Taints that the pods tolerate.', 'object'),
  affinity: value.map('Affinity of the pods.'),
  priorityClassName: value.text('Priority class of the pods.'),
};

export const resourceValue = (preset: object): Value => value.map('Resources that each pod requests, and their limits.', preset);

/** Number of partitions, if the value is not set. */
export const PARTITIONS = 2;

/** Every address of a pod. The pod's own address is not known when the chart is rendered. */
const EVERY_ADDRESS = ['::', '0.0.0.0'];
const POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
const FAMILIES = ['IPv4', 'IPv6'];

/** Values of every chart. */
export const globalValues: Values = {
  global: {
    text: 'Values that all charts of a mesh share.',
    open: true,
    values: {
      image: {
        text: 'The image of Blockhub.',
        values: {
          ...imageValues('blockhub'),
          pullSecrets: value.list('Names of the Secrets that are used to pull the image.', 'string'),
        },
      },
      broker: server(
        'The RabbitMQ server.',
        'amqps?',
        'URL of RabbitMQ, such as amqp://host:5672/vhost, or amqps://… for TLS.',
        'a password for each place, under the name of the place, and one for `setup` (if `user` is set: one password, under `password`)',
        { user: value.text('User of all places. If it is empty, each place logs in as the user with its name.') },
      ),
      store: server(
        'The bucket.',
        's3',
        'URL of the bucket, such as s3://endpoint/bucket/prefix, or s3:///bucket?region=… for AWS.',
        '`accessKey` and `secretKey`',
      ),
      registry: server(
        'The registry: Redis, or a server with the protocol of Redis.',
        'rediss?',
        'URL of the registry, such as redis://host:6379, or rediss://… for TLS.',
        '`password`',
      ),
      serviceAccount: {
        text: 'The service account of the pods of Blockhub. A cloud can give it a role.',
        values: {
          create: value.flag('Create the service account.', false),
          name: value.text(
            'Name of the service account. If it is empty, it is `{release}-mesh` with `create`, else the default of the namespace.',
            '',
            '^[a-z0-9.-]{0,253}$',
          ),
          annotations: value.strings('Annotations of the service account with `create`, such as `eks.amazonaws.com/role-arn`.'),
          automount: value.flag('Give the pods a token for the Kubernetes API. Blockhub does not use this API.', false),
        },
      },
      partitions: value.integer('Number of partitions. Never change it after the first install.', PARTITIONS, 1, 1024),
      env: value.variables('Further environment variables of all services, by name. Secrets and settings are not allowed here.'),
      monitoring: {
        text: 'Objects for the Prometheus operator and Grafana.',
        values: {
          podMonitor: value.flag('Create a PodMonitor for each place and for the RabbitMQ of the chart `blockhub`.', false),
          rules: value.flag('Create the alert rules. Only the chart `blockhub` has them.', false),
          runbooks: {
            ...value.text(
              'Address of the pages in docs/runbooks, with which the `runbook_url` of each alert begins. Only the chart `blockhub` uses it.',
              'docs/runbooks',
            ),
            schema: { type: 'string', pattern: '^[^\\s\'"#]+[^\\s\'"#/]$' },
          },
          dashboard: value.flag('Create a ConfigMap with the Grafana dashboard. Only the chart `blockhub` has it.', false),
          labels: value.strings('Labels of these objects. Prometheus and Grafana select objects by labels.'),
          namespaceSelector: value.map(
            'Namespaces from which the NetworkPolicies let Prometheus scrape. If it is empty, all namespaces are allowed.',
          ),
        },
      },
      listen: value.choice(
        'Address on which pods listen. `::` is every IPv6 and IPv4 address, or every IPv4 address if the kernel has no IPv6. `0.0.0.0` is every IPv4 address.',
        '::',
        EVERY_ADDRESS,
      ),
      ipFamilyPolicy: value.choice(
        'IP families of every Service. PreferDualStack uses IPv4 and IPv6 if the cluster has both, else the one that it has.',
        'PreferDualStack',
        POLICIES,
      ),
      ipFamilies: value.choices('IP families of every Service, in order: IPv4, IPv6. If it is empty, the cluster chooses.', FAMILIES),
      networkPolicy: {
        text: 'NetworkPolicies that refuse all traffic except what Blockhub needs.',
        values: {
          enabled: value.flag('Create the NetworkPolicies.', true),
          egress: value.list('Further egress rules of all pods of Blockhub.', 'object'),
        },
      },
    },
  },
};

/** Settings that the chart sets from `global`, from other values or by itself. */
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

/** The value as an operator writes it in YAML. */
function typed({ kind, format }: Setting<unknown>, it: unknown): unknown {
  if (kind === 'size') return formatSize(it as number);
  if (kind === 'duration') return formatDuration(it as number);
  return kind === 'text' || kind === 'url' ? format(it) : it;
}

function settingValue(name: string, one: Setting<unknown>, schema: Record<string, unknown>, given: unknown): Value {
  const { default: _, description: __, examples: ___, ...form } = schema;
  // The template computes `terminationGracePeriodSeconds` from the value, so the chart sets it.
  const preset = given ?? (name === 'grace' ? one.default : undefined);
  const byService =
    one.default === undefined || one.default === '' ? undefined : JSON.stringify(typed(one, one.default)).replace(/^"(.*)"$/, '$1');
  const notes = [
    sentence(one.text),
    one.secret && 'It is read from a key of a Secret.',
    Array.isArray(form.enum) && `Allowed: ${form.enum.join(', ')}.`,
    given !== undefined && byService !== undefined && `The default of the service is \`${byService}\`.`,
  ];
  const example = one.secret
    ? { secret: 'my-secret', key: name }
    : (one.example ?? (one.default === undefined ? undefined : typed(one, one.default)));
  return {
    text: notes.filter(Boolean).join(' '),
    schema: form,
    ...(preset === undefined ? byService !== undefined && { fallback: byService } : { preset: typed(one, preset) }),
    ...(example === undefined ? {} : { example: one.kind === 'list' && typeof example === 'string' ? example.split(',') : example }),
  };
}

function settingsGroup({ settings, given }: ChartPlace): ValueGroup {
  const own = Object.fromEntries(Object.entries(settings).filter(([name]) => !chartOwned.has(name)));
  const { properties } = jsonSchema(own) as { properties: Record<string, Record<string, unknown>> };
  return {
    text: 'Settings of the service. Each one becomes a variable BLOCKHUB_…; a secret becomes a mounted file.',
    values: Object.fromEntries(
      Object.entries(own).map(([name, one]) => [name, settingValue(name, one, properties[name] ?? {}, given[name])]),
    ),
  };
}

/**
 * Requests are what an idle pod uses. There is no CPU limit, because a throttled worker slows its
 * chains down.
 */
function resources({ name, listens, needs }: ChartPlace): object {
  if (name === 'standalone') return { requests: { cpu: '50m', memory: '160Mi' }, limits: { memory: '512Mi' } };
  if (listens) return { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '384Mi' } };
  // Only places that need the store load the code for S3.
  return { requests: { cpu: '10m', memory: needs.includes('store') ? '72Mi' : '56Mi' }, limits: { memory: '256Mi' } };
}

const httpValues: Values = {
  preStopSeconds: value.integer('Seconds for which a stopping pod still accepts requests, until traffic reaches other pods.', 5, 0, 300),
  service: {
    text: 'The Service for senders.',
    values: {
      type: value.choice('Type of the Service.', 'ClusterIP', ['ClusterIP', 'NodePort', 'LoadBalancer']),
      port: value.integer('Port of the Service.', 8080, 1, 65_535),
      annotations: value.map('Annotations of the Service.'),
      ipFamilyPolicy: value.choice('IP families of the Service. If it is empty, `global.ipFamilyPolicy` is used.', '', ['', ...POLICIES]),
      ipFamilies: value.choices('IP families of the Service, in order. If it is empty, `global.ipFamilies` is used.', FAMILIES),
    },
  },
  ingress: {
    text: 'An Ingress for the Service.',
    values: {
      enabled: value.flag('Create the Ingress.', false),
      className: value.text('Ingress class. If it is empty, the default class of the cluster is used.'),
      annotations: value.map('Annotations of the Ingress.'),
      hosts: value.list('Host names. If the list is empty, every host name is accepted.', 'string'),
      path: value.text('Prefix of the paths.', '/', '^/'),
      tlsSecret: value.text('Name of a Secret with certificate and key. If it is empty, there is no TLS.'),
    },
  },
  route: {
    text: 'An HTTPRoute of the Gateway API for the Service.',
    values: {
      enabled: value.flag('Create the HTTPRoute.', false),
      parentRefs: value.list('Gateways, each as `{name, namespace, sectionName}`. At least one is required.', 'object'),
      hostnames: value.list('Host names. If the list is empty, those of the gateway are used.', 'string'),
      annotations: value.map('Annotations of the HTTPRoute.'),
      path: value.text('Prefix of the paths.', '/', '^/'),
    },
  },
};

function autoscaling({ listens, partitions }: ChartPlace): ValueGroup {
  const by = listens
    ? { by: value.choice('What the autoscaler measures: the CPU use of the pods.', 'cpu', ['cpu']) }
    : {
        by: value.choice('What the autoscaler measures: messages in the queues (requires KEDA), or the CPU use of the pods.', 'queue', [
          'queue',
          'cpu',
        ]),
        messages: value.integer('Target number of waiting messages for each pod.', 1000, 1),
      };
  return {
    text: 'An autoscaler that sets the number of pods.',
    values: {
      enabled: value.flag('Create the autoscaler. Then `replicas` is not used.', false),
      minReplicas: value.integer('Lowest number of pods.', 1, 1),
      maxReplicas: value.integer(`Highest number of pods.${partitions ? ' Pods beyond `global.partitions` stay idle.' : ''}`, 2, 1),
      cpuPercent: value.integer('Target CPU use, in percent of the requested CPU.', 75, 1),
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
      text: 'A volume of each pod for requests that RabbitMQ does not accept. They are answered with 202 and sent later. If there is no spool, the answer is 503.',
      values: {
        enabled: value.flag('Give each pod a spool.', true),
        ...volumeValues('2Gi', ' It must be larger than `settings.spoolLimit`.'),
      },
    },
  };
  const data: Values = { data: { text: 'The volume for all data.', values: volumeValues('10Gi') } };
  return {
    ...(isAlone
      ? { replicas: value.integer('Number of pods. It is at most 1, because pods cannot share the data.', 1, 0, 1) }
      : { replicas: value.integer('Number of pods. It is not used if `autoscaling.enabled` is true.', 1) }),
    settings: settingsGroup(place),
    env: value.variables('Further environment variables, by name. Secrets and settings are not allowed here.'),
    listen: value.choice('Address on which its pods listen. If it is empty, `global.listen` is used.', '', ['', ...EVERY_ADDRESS]),
    resources: resourceValue(resources(place)),
    ...(volume?.of === 'spool' ? spool : volume?.of === 'data' ? data : {}),
    ...(listens ? httpValues : {}),
    ...(isAlone ? {} : { autoscaling: autoscaling(place) }),
    podDisruptionBudget: value.flag('If there are several pods, let Kubernetes evict only one at a time.', true),
    topologySpread: value.flag('Spread the pods over nodes and zones, if possible.', true),
    networkPolicy: {
      text: 'Additions to the NetworkPolicy of the chart.',
      values: {
        ...(listens ? { from: value.list('Peers that may send requests. If the list is empty, every peer may.', 'object') } : {}),
        ingress: value.list('Further ingress rules.', 'object'),
        egress: value.list('Further egress rules.', 'object'),
      },
    },
    podLabels: value.strings('Further labels of the pods.'),
    podAnnotations: value.strings('Annotations of the pods.'),
    ...placement,
    ...globalValues,
  };
}

/** Values that Helm adds to the values of a chart. */
export const helmOwned: Readonly<Record<string, object>> = {
  enabled: { description: 'Install this chart as a part of the chart `blockhub`.', type: 'boolean' },
  'blockhub-lib': { description: 'Helm writes this value.', type: 'object' },
};
