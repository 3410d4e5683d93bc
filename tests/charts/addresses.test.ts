import { expect, test } from '@jest/globals';
import { envOf, get, type Helm, type Manifest, places, podOf, type Rendered, template } from './helm.ts';
import { each } from './with-helm.ts';

/** IPv4 and IPv6: addresses on which pods listen, IP families of Services, addresses in values. */

const alone = { standalone: { enabled: true } };
const servers = { rabbitmq: { enabled: false }, valkey: { enabled: false }, minio: { enabled: false } };

/** The addresses on which processes listen, by place. */
const listening = ({ objects }: Rendered): Record<string, (string | undefined)[]> =>
  Object.fromEntries(
    objects
      .filter((object) => podOf(object) && places.includes(object.metadata.name.replace('demo-', '')))
      .map((object) => [
        object.metadata.name.replace('demo-', ''),
        [envOf(object).BLOCKHUB_PROBE_HOST, envOf(object).BLOCKHUB_HOST].filter((host) => host !== undefined),
      ]),
  );

/** Policy and families, by name of the Service. */
const families = ({ objects }: Rendered): Record<string, unknown[]> =>
  Object.fromEntries(
    objects.filter(({ kind }) => kind === 'Service').map(({ metadata, spec }) => [metadata.name, [spec.ipFamilyPolicy, spec.ipFamilies]]),
  );

const egressPorts = (rendered: Rendered, name: string): number[] =>
  get(rendered, 'NetworkPolicy', name)
    .spec.egress.slice(1)
    .flatMap(({ ports }: { ports: { port: number }[] }) => ports.map(({ port }) => port));

each('with Helm %s', (_: string, which: Helm) => {
  test.each<[string, object, string, string]>([
    ['by default', {}, '::', '::'],
    ['on nodes without IPv6', { global: { listen: '0.0.0.0' } }, '0.0.0.0', '0.0.0.0'],
    ['one place alone', { 'web-to-msg': { listen: '0.0.0.0' } }, '0.0.0.0', '::'],
    ['one place otherwise', { global: { listen: '0.0.0.0' }, 'web-to-msg': { listen: '::' } }, '::', '0.0.0.0'],
    // An upgrade with --reuse-values may not have the value.
    ['without the value', { global: { listen: null } }, '::', '::'],
  ])('pods listen on every address: %s', async (_, values, web, others) => {
    const rendered = await template(which, 'blockhub', { ...alone, ...values });
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    expect(listening(rendered)).toEqual({
      ...Object.fromEntries(places.map((place) => [place, [others]])),
      standalone: [others, others],
      'web-to-msg': [web, web],
    });
  });

  test('servers for development listen on IPv6 and IPv4', async () => {
    const rendered = await template(which, 'blockhub');
    const conf = Buffer.from(get(rendered, 'Secret', 'demo-registry-keys').data['registry.conf'], 'base64').toString();
    // Because of the dash, a kernel without IPv6 causes no error.
    expect(conf).toMatch(/^bind \* -::\*$/m);
    // AMQP listens on both by default. With `::`, the others would need a kernel with IPv6.
    const tcp = async (values: object): Promise<string[]> => {
      const secret = get(await template(which, 'blockhub', values), 'Secret', 'demo-rabbitmq-config');
      return secret.stringData['rabbitmq.conf'].split('\n').filter((line: string) => line.includes('tcp.ip'));
    };
    expect(await tcp({})).toEqual([]);
    expect(await tcp({ global: { ipFamilies: ['IPv4'] } })).toEqual([]);
    for (const ipFamilies of [['IPv6'], ['IPv4', 'IPv6']])
      expect(await tcp({ global: { ipFamilies } })).toEqual(['management.tcp.ip = ::', 'prometheus.tcp.ip = ::']);
    // Without an address MinIO listens on every one.
    expect(podOf(get(rendered, 'StatefulSet', 'demo-store')).containers[0].args).toEqual(['server', '/data']);
  });

  test('probes have no host, so they use the address of the pod', async () => {
    const { objects } = await template(which, 'blockhub', alone);
    const probes = objects
      .flatMap((object) => podOf(object)?.containers ?? [])
      .flatMap(({ startupProbe, readinessProbe, livenessProbe }: Manifest) => [startupProbe, readinessProbe, livenessProbe])
      .filter((probe) => probe !== undefined);
    expect(probes.length).toBeGreaterThan(30);
    for (const { httpGet, tcpSocket } of probes) expect([httpGet?.host, tcpSocket?.host]).toEqual([undefined, undefined]);
  });

  test.each<[string, object, unknown[], unknown[]]>([
    ['by default', {}, ['PreferDualStack', undefined], ['PreferDualStack', undefined]],
    [
      'without the values',
      { global: { ipFamilyPolicy: null, ipFamilies: null } },
      ['PreferDualStack', undefined],
      ['PreferDualStack', undefined],
    ],
    [
      'of all',
      { global: { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] } },
      ['RequireDualStack', ['IPv6', 'IPv4']],
      ['RequireDualStack', ['IPv6', 'IPv4']],
    ],
    [
      'of one',
      {
        global: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] },
        'web-to-msg': { service: { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4', 'IPv6'] } },
      },
      ['PreferDualStack', ['IPv4', 'IPv6']],
      ['SingleStack', ['IPv6']],
    ],
  ])('every Service has its IP families: %s', async (_, values, web, others) => {
    const rendered = await template(which, 'blockhub', { ...alone, ...values });
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    expect(families(rendered)).toEqual({
      'demo-web-to-msg': web,
      'demo-standalone': others,
      'demo-rabbitmq': others,
      'demo-registry': others,
      'demo-store': others,
    });
  });

  test.each<[string, object, RegExp]>([
    ['an address of one interface', { global: { listen: '127.0.0.1' } }, /listen[\s\S]*::/],
    ['an address of IPv6 in brackets', { builder: { listen: '[::]' } }, /builder[\s\S]*listen/],
    ['a policy that is none', { global: { ipFamilyPolicy: 'DualStack' } }, /ipFamilyPolicy[\s\S]*PreferDualStack/],
    ['a family that is none', { global: { ipFamilies: ['ipv6'] } }, /ipFamilies[\s\S]*IPv6/],
    ['a family twice', { 'web-to-msg': { service: { ipFamilies: ['IPv4', 'IPv4'] } } }, /ipFamilies[\s\S]*(unique|equal)/],
    [
      'two families in one',
      { global: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'] } },
      /ipFamilies is IPv4 and IPv6, but ipFamilyPolicy SingleStack allows one family/,
    ],
  ])('refuses %s', async (_, values, message) => {
    const { code, stderr } = await template(which, 'blockhub', values);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  test.each([
    ['[::1]', [5672, 443, 6379]],
    ['[fd00::5]:4000', [4000, 4000, 4000]],
    ['[2001:db8:0:0:0:0:0:6380]', [5672, 443, 6379]],
  ])('URLs may hold %s', async (host, ports) => {
    const global = { broker: { url: `amqp://${host}` }, store: { url: `s3://${host}/chains` }, registry: { url: `redis://${host}` } };
    const rendered = await template(which, 'blockhub', {
      ...servers,
      global,
      'web-to-msg': { settings: { jwtIssuer: `https://${host}/`, trustedProxies: ['fd00:10::/64', '::ffff:10.0.0.0/104'] } },
      builder: { autoscaling: { enabled: true }, env: { OTEL_EXPORTER_OTLP_ENDPOINT: `https://${host}` } },
    });
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    const https = ports[1];
    expect(egressPorts(rendered, 'demo-web-to-msg')).toEqual([...ports, https]);
    expect(egressPorts(rendered, 'demo-builder')).toEqual([ports[0], https, https]);
    expect(envOf(get(rendered, 'StatefulSet', 'demo-web-to-msg'))).toMatchObject({
      BLOCKHUB_BROKER: `amqp://${host}`,
      BLOCKHUB_STORE: `s3://${host}/chains`,
      BLOCKHUB_REGISTRY: `redis://${host}`,
      BLOCKHUB_JWT_ISSUER: `https://${host}/`,
      BLOCKHUB_TRUSTED_PROXIES: 'fd00:10::/64,::ffff:10.0.0.0/104',
    });
    expect(get(rendered, 'ScaledObject', 'demo-builder').spec.triggers[0].metadata.host).toBe(`amqp://${host}`);
  });

  test('NetworkPolicies contain no addresses except those in values', async () => {
    expect(JSON.stringify((await template(which, 'blockhub', alone)).objects)).not.toContain('ipBlock');
    const block = (cidr: string): object => ({ ipBlock: { cidr } });
    const rendered = await template(which, 'blockhub', {
      global: { networkPolicy: { egress: [{ to: [block('fd00:ec2::23/128')] }] } },
      'web-to-msg': { networkPolicy: { from: [block('2001:db8::/32'), block('192.0.2.0/24')] } },
    });
    const { ingress, egress } = get(rendered, 'NetworkPolicy', 'demo-web-to-msg').spec;
    expect(ingress).toEqual([{ ports: [{ protocol: 'TCP', port: 'http' }], from: [block('2001:db8::/32'), block('192.0.2.0/24')] }]);
    expect(egress.at(-1)).toEqual({ to: [block('fd00:ec2::23/128')] });
  });

  test('the test of the chart uses a name, not an address', async () => {
    const { args } = podOf(get(await template(which, 'blockhub'), 'Pod', 'demo-test')).containers[0];
    expect(args.slice(0, 3)).toEqual(['doctor', 'mesh', 'http://demo-web-to-msg:8080']);
  });
});
