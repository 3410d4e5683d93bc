import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { chartsFolder, envOf, get, type Helm, helm, KUBERNETES, type Manifest, nameOf, places, podOf, template } from './helm.ts';
import { each, external } from './with-helm.ts';

/** Everything that can be switched on. */
const full = {
  global: { monitoring: { podMonitor: true, rules: true, dashboard: true, labels: { team: 'a' } }, env: { LANG: 'C' } },
  'web-to-msg': {
    replicas: 3,
    ingress: { enabled: true, hosts: ['a.example.com'], className: 'x', tlsSecret: 'a-tls', annotations: { a: 'b' } },
    route: { enabled: true, parentRefs: [{ name: 'public' }], hostnames: ['a.example.com'] },
    settings: { tokens: { secret: 'senders', key: 'tokens' }, jwtIssuer: 'https://issuer.example.com/' },
    networkPolicy: { from: [{ podSelector: {} }] },
    tolerations: [{ key: 'a', operator: 'Exists' }],
  },
  builder: { autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 4 }, nodeSelector: { a: 'b' }, podAnnotations: { c: 'd' } },
  grouper: { autoscaling: { enabled: true, by: 'cpu' } },
  standalone: { enabled: true },
};

each('with Helm %s', (_: string, which: Helm) => {
  test('the umbrella chart gives the whole mesh', async () => {
    const rendered = await template(which, 'blockhub');
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    const names = rendered.objects.map(nameOf);
    expect(new Set(names).size).toBe(names.length);
    const kinds = Object.fromEntries(
      Map.groupBy(rendered.objects, ({ kind }) => kind)
        .entries()
        .map(([kind, all]) => [kind, all.length]),
    );
    expect(kinds).toMatchObject({ Deployment: 9, StatefulSet: 4, Job: 1, Pod: 1, Secret: 4 });
    expect(names).not.toContain('StatefulSet demo-standalone');
    expect(get(rendered, 'Service', 'demo-web-to-msg').spec.ports).toEqual([
      { name: 'http', port: 8080, targetPort: 'http', protocol: 'TCP' },
    ]);
  });

  test.each([
    ['by default', {}],
    ['with servers of your own', external],
    ['with everything switched on', full],
  ])('every pod is restricted, %s', async (_, values) => {
    const { objects, stdout, stderr } = await template(which, 'blockhub', values);
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(/:latest\b|ServiceAccount\b/);
    const pods = objects.filter(podOf).map((object) => [nameOf(object), object.kind, podOf(object)]);
    expect(pods.length).toBeGreaterThan(10);
    for (const [name, kind, pod] of pods) {
      expect([name, pod]).toMatchObject([
        name,
        {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        },
      ]);
      for (const container of pod.containers) {
        expect([name, container]).toMatchObject([
          name,
          {
            securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
            resources: { requests: { cpu: expect.any(String), memory: expect.any(String) }, limits: { memory: expect.any(String) } },
          },
        ]);
        if (kind === 'Deployment' || kind === 'StatefulSet')
          expect([name, container]).toMatchObject([name, { startupProbe: {}, readinessProbe: {}, livenessProbe: {} }]);
        // Secrets are files, because more people can read the variables of a pod.
        for (const { name: variable, valueFrom } of container.env ?? []) {
          expect([name, variable, valueFrom]).toEqual([name, variable, undefined]);
          expect(variable).not.toMatch(/(PASSWORD|SECRET_KEY|ACCESS_KEY|TOKENS?)$/);
        }
      }
    }
  });

  test.each([
    ['one of the chart', { create: true, annotations: { 'eks.amazonaws.com/role-arn': 'arn' } }, 'demo-mesh', 'arn'],
    [
      'one of the chart with a name',
      { create: true, name: 'chains', annotations: { 'eks.amazonaws.com/role-arn': 'arn' } },
      'chains',
      'arn',
    ],
    ['one that is there', { name: 'chains' }, 'chains', undefined],
    ['the default one', {}, undefined, undefined],
  ])('pods of Blockhub have a service account: %s', async (_, serviceAccount, name, role) => {
    const ours = (objects: readonly Manifest[]): Manifest[] =>
      objects.filter((object) => podOf(object)?.containers.some(({ image }: { image: string }) => image.startsWith('blockhub:')));
    for (const [chart, values, pods] of [
      ['blockhub', {}, 12],
      ['builder', { broker: { url: 'amqp://rabbit' }, store: { url: 's3:///chains' } }, 1],
    ] as const) {
      const rendered = await template(which, chart, { global: { ...values, serviceAccount } });
      const named = ours(rendered.objects).map(podOf);
      expect(named).toHaveLength(pods);
      for (const pod of named) expect([pod.serviceAccountName, pod.automountServiceAccountToken]).toEqual([name, false]);
      const made = rendered.objects.filter(({ kind }) => kind === 'ServiceAccount');
      expect(
        made.map(({ metadata, automountServiceAccountToken }) => [metadata.name, metadata.annotations, automountServiceAccountToken]),
      ).toEqual(role ? [[name, { 'eks.amazonaws.com/role-arn': role }, false]] : []);
    }
  });

  test('selectors have no label that an upgrade changes, and match their pods', async () => {
    const { objects } = await template(which, 'blockhub', full);
    for (const { kind, spec } of objects) {
      if (kind !== 'Deployment' && kind !== 'StatefulSet') continue;
      expect(Object.keys(spec.selector.matchLabels)).toEqual([
        'app.kubernetes.io/name',
        'app.kubernetes.io/instance',
        'app.kubernetes.io/component',
      ]);
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    }
  });

  test('each place has the settings of docs/distributed.md', async () => {
    const rendered = await template(which, 'blockhub', { global: { partitions: 4 } });
    const blocks = envOf(get(rendered, 'Deployment', 'demo-deploy-blocks'));
    expect(blocks).toMatchObject({
      BLOCKHUB_PARTITIONS: '4',
      BLOCKHUB_IN: 'blocks.newblockcreated',
      BLOCKHUB_KEY: 'blocks/{msg.meta.block}.block',
      BLOCKHUB_OUT: 'blocks.newblocksaved.{partition(msg.meta.chain)}',
      BLOCKHUB_BODY: 'pass',
      BLOCKHUB_IDENTITY: 'first-line',
      BLOCKHUB_PACK: 'false',
      BLOCKHUB_BROKER: 'amqp://demo-rabbitmq:5672',
      BLOCKHUB_BROKER_USER: 'deploy-blocks',
    });
    expect(blocks).not.toHaveProperty('BLOCKHUB_REGISTRY');
    expect(envOf(get(rendered, 'Deployment', 'demo-deploy-blobs'))).toMatchObject({
      BLOCKHUB_IN: 'ingress',
      BLOCKHUB_OUT: 'blobs.deployed.{partition(msg.meta.chain)}',
    });
    expect(podOf(get(rendered, 'Deployment', 'demo-deploy-blobs')).containers[0].args).toEqual(['run', 'deploy']);
    const web = get(rendered, 'StatefulSet', 'demo-web-to-msg');
    expect(envOf(web)).toMatchObject({ BLOCKHUB_HOST: '::', BLOCKHUB_SPOOL: '/var/lib/blockhub/spool' });
    expect(web.spec.volumeClaimTemplates).toHaveLength(1);
    // 25 s of grace, 5 s until traffic goes elsewhere, and some more.
    expect(podOf(web)).toMatchObject({
      terminationGracePeriodSeconds: 40,
      containers: [{ lifecycle: { preStop: { sleep: { seconds: 5 } } } }],
    });
    expect(podOf(get(rendered, 'Deployment', 'demo-builder'))).toMatchObject({ terminationGracePeriodSeconds: 35 });
  });

  test('settings become variables as packages/settings reads them', async () => {
    const settings = {
      bodyLimit: '1.5gb',
      maxConnections: 20_000_000,
      sniffMimes: true,
      allowMimes: ['text/plain', 'image/*'],
      defaultChain: 'a$(B)',
      grace: 90_500,
      // As `--set-file` gives it.
      routes: '[\n  { "path": "/hooks/a", "chain": "a", "responses": [{ "status": 200, "body": "{doc.$(B)}" }] }\n]\n',
      tokens: { secret: 'senders', key: 'tokens.txt' },
    };
    const rendered = await template(which, 'blockhub', { 'web-to-msg': { settings, spool: { enabled: false } } });
    const web = get(rendered, 'Deployment', 'demo-web-to-msg');
    expect(envOf(web)).toMatchObject({
      BLOCKHUB_BODY_LIMIT: '1.5gb',
      BLOCKHUB_MAX_CONNECTIONS: '20000000',
      BLOCKHUB_SNIFF_MIMES: 'true',
      BLOCKHUB_ALLOW_MIMES: 'text/plain,image/*',
      BLOCKHUB_DEFAULT_CHAIN: 'a$$(B)',
      BLOCKHUB_GRACE: '90500',
      BLOCKHUB_ROUTES: '[\n  { "path": "/hooks/a", "chain": "a", "responses": [{ "status": 200, "body": "{doc.$$(B)}" }] }\n]\n',
      BLOCKHUB_TOKENS_FILE: '/run/secrets/blockhub/tokens',
    });
    expect(envOf(web)).not.toHaveProperty('BLOCKHUB_SPOOL');
    expect(podOf(web).terminationGracePeriodSeconds).toBe(91 + 5 + 10);
    expect(podOf(web).volumes.find(({ name }: { name: string }) => name === 'secrets').projected.sources).toContainEqual({
      secret: { name: 'senders', items: [{ key: 'tokens.txt', path: 'tokens' }] },
    });
  });

  test('servers of your own replace those of the chart', async () => {
    const rendered = await template(which, 'blockhub', external);
    const names = rendered.objects.map(nameOf).join('\n');
    expect(names).not.toMatch(/demo-(rabbitmq|registry|store)/);
    expect(names).not.toMatch(/^Secret/m);
    const web = get(rendered, 'StatefulSet', 'demo-web-to-msg');
    expect(envOf(web)).toMatchObject({
      BLOCKHUB_BROKER: 'amqps://rabbit.example.com:5671/mesh',
      BLOCKHUB_BROKER_USER: 'blockhub',
      BLOCKHUB_STORE: 's3:///chains?region=eu-central-1',
      BLOCKHUB_REGISTRY: 'rediss://redis.example.com:6380',
    });
    expect(envOf(web)).not.toHaveProperty('BLOCKHUB_STORE_SECRET_KEY_FILE');
    const { sources } = podOf(web).volumes.find(({ name }: { name: string }) => name === 'secrets').projected;
    expect(sources.map(({ secret }: { secret: object }) => secret)).toEqual([
      { name: 'rabbit', items: [{ key: 'password', path: 'broker-password' }] },
      { name: 'redis', items: [{ key: 'password', path: 'registry-password' }] },
    ]);
    const ports = get(rendered, 'NetworkPolicy', 'demo-web-to-msg').spec.egress.flatMap(({ ports }: { ports: { port: number }[] }) =>
      ports.map(({ port }) => port),
    );
    expect(ports).toEqual([53, 53, 5671, 443, 6380]);
  });

  test('without any place there are only the servers', async () => {
    const rendered = await template(which, 'blockhub', Object.fromEntries(places.map((place) => [place, { enabled: false }])));
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    expect(
      rendered.objects
        .filter(podOf)
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['Job', 'StatefulSet', 'StatefulSet', 'StatefulSet']);
    // Kubernetes refuses an empty list of values.
    expect(get(rendered, 'NetworkPolicy', 'demo-registry').spec.ingress).toBeNull();
  });

  test('a place may declare the queues that only its settings name', async () => {
    const settings = { to: ['{msg.meta.chain}_chain', 'all.blocks'] };
    const rendered = await template(which, 'blockhub', {
      shoveltomany: { settings },
      'next-field': { settings: { receipts: 'events.committed' } },
    });
    const text = Buffer.from(get(rendered, 'Secret', 'demo-rabbitmq-config').data['definitions.json'], 'base64').toString();
    const { permissions } = JSON.parse(text) as { permissions: { user: string; configure: string }[] };
    const mayDeclare = (user: string, queue: string): boolean =>
      new RegExp(permissions.find((one) => one.user === user)?.configure ?? '^$').test(queue);
    expect(['a1b2_chain', 'all.blocks', 'blocks.committed'].map((queue) => mayDeclare('shoveltomany', queue))).toEqual([true, true, true]);
    expect(['a1b2', 'allxblocks', 'ingress'].map((queue) => mayDeclare('shoveltomany', queue))).toEqual([false, false, false]);
    expect(mayDeclare('next-field', 'events.committed')).toBe(true);
    expect(mayDeclare('builder', 'events.committed')).toBe(false);
  });

  test('with an autoscaler, the chart sets no number of pods', async () => {
    const rendered = await template(which, 'blockhub', full);
    expect(get(rendered, 'Deployment', 'demo-builder').spec).not.toHaveProperty('replicas');
    expect(get(rendered, 'Deployment', 'demo-grouper').spec).not.toHaveProperty('replicas');
    expect(get(rendered, 'Deployment', 'demo-msg-merge').spec.replicas).toBe(1);
    const { triggers, ...scaled } = get(rendered, 'ScaledObject', 'demo-builder').spec;
    expect(scaled).toMatchObject({ minReplicaCount: 2, maxReplicaCount: 4, scaleTargetRef: { kind: 'Deployment', name: 'demo-builder' } });
    expect(triggers.map(({ metadata }: { metadata: { queueName: string } }) => metadata.queueName)).toEqual([
      'blocks.staged.0',
      'blocks.staged.1',
    ]);
    expect(get(rendered, 'TriggerAuthentication', 'demo-builder').spec.secretTargetRef).toEqual([
      { parameter: 'password', name: 'demo-rabbitmq-users', key: 'builder' },
    ]);
    expect(get(rendered, 'HorizontalPodAutoscaler', 'demo-grouper').spec.metrics[0].resource.target.averageUtilization).toBe(75);
  });

  test('a PodDisruptionBudget exists only for several pods', async () => {
    const { objects } = await template(which, 'blockhub', full);
    const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget');
    expect(budgets.map(({ metadata, spec }) => [metadata.name, spec.maxUnavailable])).toEqual([
      ['demo-builder', 1],
      ['demo-web-to-msg', 1],
    ]);
  });

  test('Ingress, HTTPRoute and PodMonitor exist only if they are switched on', async () => {
    const plain = (await template(which, 'blockhub')).objects.map(({ kind }) => kind);
    for (const kind of ['Ingress', 'HTTPRoute', 'PodMonitor', 'ScaledObject', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'])
      expect(plain).not.toContain(kind);
    const rendered = await template(which, 'blockhub', full);
    expect(get(rendered, 'Ingress', 'demo-web-to-msg').spec).toMatchObject({
      ingressClassName: 'x',
      rules: [{ host: 'a.example.com', http: { paths: [{ backend: { service: { name: 'demo-web-to-msg', port: { name: 'http' } } } }] } }],
      tls: [{ secretName: 'a-tls', hosts: ['a.example.com'] }],
    });
    expect(get(rendered, 'HTTPRoute', 'demo-web-to-msg').spec).toMatchObject({
      parentRefs: [{ name: 'public' }],
      rules: [{ backendRefs: [{ name: 'demo-web-to-msg', port: 8080 }] }],
    });
    expect(get(rendered, 'PodMonitor', 'demo-builder').metadata.labels).toMatchObject({ team: 'a' });
  });

  test('Prometheus and Grafana get what monitoring/ has', async () => {
    const read = (name: string): string => readFileSync(join(chartsFolder, '../monitoring', name), 'utf8');
    const rendered = await template(which, 'blockhub', full);
    const rule = get(rendered, 'PrometheusRule', 'demo-mesh');
    expect(rule.metadata.labels).toMatchObject({ team: 'a' });
    expect(rule.spec).toEqual(parse(read('alerts.yaml')));
    const dashboard = get(rendered, 'ConfigMap', 'demo-mesh');
    expect(dashboard.metadata.labels).toMatchObject({ team: 'a', grafana_dashboard: '1' });
    expect(JSON.parse(dashboard.data['blockhub.json'])).toEqual(JSON.parse(read('dashboard.json')));

    // Alerts select jobs by name, so the name does not depend on the place.
    const monitors = rendered.objects.filter(({ kind }) => kind === 'PodMonitor');
    const jobs = monitors.map(({ metadata, spec }) => {
      const pods = rendered.objects.find((object) => podOf(object) && object.metadata.name === metadata.name);
      return [metadata.name, pods?.spec.template.metadata.labels[spec.jobLabel]];
    });
    expect(Object.fromEntries(jobs)).toEqual({
      ...Object.fromEntries(places.map((place) => [`demo-${place}`, 'blockhub'])),
      'demo-rabbitmq': 'rabbitmq',
    });
    const { scrape_configs: wanted } = parse(read('prometheus.yaml')) as { scrape_configs: { job_name: string; params?: object }[] };
    const [queues] = wanted.filter(({ job_name }) => job_name === 'rabbitmq-queues');
    expect(get(rendered, 'PodMonitor', 'demo-rabbitmq').spec.podMetricsEndpoints).toEqual([
      { port: 'metrics', path: '/metrics' },
      {
        port: 'metrics',
        path: '/metrics/detailed',
        params: queues?.params,
        relabelings: [{ targetLabel: 'job', replacement: queues?.job_name }],
      },
    ]);
  });

  test('each alert has the address of its runbook', async () => {
    const runbooks = 'https://example.com/blockhub/docs/runbooks';
    const rendered = await template(which, 'blockhub', { global: { monitoring: { rules: true, runbooks } } });
    const { groups } = get(rendered, 'PrometheusRule', 'demo-mesh').spec as {
      groups: { rules: { alert: string; annotations: { runbook_url: string } }[] }[];
    };
    for (const { alert, annotations } of groups.flatMap(({ rules }) => rules))
      expect(annotations.runbook_url).toBe(`${runbooks}/${alert}.md`);
  });

  test('names with a long release are cut and stay unique', async () => {
    const release = `a.${'b'.repeat(50)}`;
    const { objects } = await template(which, 'blockhub', {}, release);
    const names = objects.map(nameOf);
    expect(new Set(names).size).toBe(names.length);
    for (const { kind, metadata } of objects) {
      expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
      expect(metadata.name.length).toBeLessThanOrEqual(kind === 'StatefulSet' ? 52 : 63);
    }
  });

  test.each(places)('%s can be installed by itself', async (place) => {
    const { needs } = JSON.parse(readFileSync(join(chartsFolder, place, 'place.json'), 'utf8')) as { needs: string[] };
    const given = { broker: { url: 'amqp://rabbit' }, store: { url: 's3://s3.example.com/chains' }, registry: { url: 'redis://redis' } };
    const { objects, code } = await template(which, place, { global: given });
    expect(code).toBe(0);
    expect(objects.filter(podOf).map(({ metadata }) => metadata.name)).toEqual([`demo-${place}`]);
    expect(await template(which, place, { global: { ...given, partition: 8 } })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('global.partition is not a value of global'),
    });
    if (needs.length > 0)
      expect(await template(which, place)).toMatchObject({ code: 1, stderr: expect.stringContaining('global.broker.url is missing') });
  });

  test('lint finds nothing', async () => {
    const servers = ['broker.url=amqp://rabbit', 'store.url=s3:///chains', 'registry.url=redis://redis'].map((it) => `global.${it}`);
    for (const chart of ['blockhub', ...places]) {
      const set = chart === 'blockhub' ? [] : ['--set', servers.join(',')];
      const lint = await helm(which, ['lint', '--strict', '--kube-version', KUBERNETES, join(chartsFolder, chart), ...set]);
      expect([chart, lint.code, lint.stdout]).toEqual([chart, 0, expect.stringContaining('0 chart(s) failed')]);
    }
  });

  test('a release is far smaller than the limit of its Secret', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blockhub-charts-'));
    expect(await helm(which, ['package', join(chartsFolder, 'blockhub'), '--destination', folder])).toMatchObject({ code: 0 });
    const [file = ''] = readdirSync(folder);
    const chart = gunzipSync(readFileSync(join(folder, file))).toString('base64');
    rmSync(folder, { recursive: true });
    const { stdout } = await template(which, 'blockhub', full);
    // Helm stores the files in base64 and the rendered objects, compressed and in base64 again.
    const release = gzipSync(JSON.stringify({ manifest: stdout, chart })).toString('base64');
    expect(release.length).toBeLessThan(300 * 1024);
  });
});
