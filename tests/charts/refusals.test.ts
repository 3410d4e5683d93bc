import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { chartsFolder, envOf, type Helm, helm, KUBERNETES, nameOf, places, podOf, template } from './helm.ts';
import { each, external } from './with-helm.ts';

each('with Helm %s', (_: string, which: Helm) => {
  test.each([
    ['more than is kept in it', { size: '2Gi' }, 2 ** 31 - 1],
    ['in units of either kind', { size: '0.5Ti' }, '500g'],
    ['no volume', { enabled: false }, '9tb'],
  ])('a spool that fits is taken: %s', async (_, spool, spoolLimit) => {
    expect(await template(which, 'blockhub', { 'web-to-msg': { spool, settings: { spoolLimit } } })).toMatchObject({ code: 0, stderr: '' });
  });

  test('a setting that is not set has no variable, because a process refuses an empty restriction', async () => {
    const { objects, stderr } = await template(which, 'blockhub', { standalone: { enabled: true } });
    expect(stderr).toBe('');
    const variables = objects.filter((object) => podOf(object)?.containers[0].env).flatMap((object) => Object.entries(envOf(object)));
    expect(variables.length).toBeGreaterThan(20);
    expect(variables.filter(([name, value]) => name.startsWith('BLOCKHUB_') && !value)).toEqual([]);
  });

  test('URLs are required only for servers that a place or `setup` needs', async () => {
    const none = Object.fromEntries(places.map((place) => [place, { enabled: place === 'standalone' }]));
    const without = { ...none, rabbitmq: { enabled: false }, valkey: { enabled: false }, minio: { enabled: false } };
    const rendered = await template(which, 'blockhub', { ...without, setup: { enabled: false } });
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    expect(rendered.objects.filter(podOf).map(nameOf)).toEqual(['StatefulSet demo-standalone']);
    const { stderr } = await template(which, 'blockhub', without);
    expect(stderr).toMatch(/global\.store\.url is missing\. It is required by setup\./);
  });

  test.each<[string, object, RegExp]>([
    [
      'a wrong type',
      { builder: { settings: { prefetch: 'many' } } },
      /builder[\s\S]*prefetch[\s\S]*(got string, want integer|Expected: integer)/,
    ],
    ['an unknown setting', { builder: { settings: { prefech: 3 } } }, /builder[\s\S]*prefech/],
    ['what is out of range', { global: { partitions: 0 } }, /partitions[\s\S]*(minimum|greater)/],
    ['an unknown choice', { builder: { settings: { logLevel: 'loud' } } }, /logLevel[\s\S]*debug/],
    ['a malformed duration', { builder: { settings: { grace: 'soon' } } }, /grace[\s\S]*pattern/],
    ['a server under its earlier name', { registry: { enabled: false } }, /registry[\s\S]*use valkey instead of registry/],
    ['a misspelt place', { bulider: { replicas: 2 } }, /bulider/],
    ['a misspelt value of a place', { builder: { replica: 2 } }, /builder[\s\S]*replica/],
    ['a misspelt key of global', { global: { partition: 8 } }, /global\.partition is not a value of global.*partitions/],
    ['a misspelt global value', { global: { broker: { uri: 'amqp://x' } } }, /broker[\s\S]*uri/],
    ['a password in a URL', { ...external, global: { ...external.global, broker: { url: 'amqp://a:b@c' } } }, /broker[\s\S]*url/],
    ['a setting among the variables', { builder: { env: { BLOCKHUB_PREFETCH: '1' } } }, /builder[\s\S]*BLOCKHUB_PREFETCH/],
    ['a malformed address of runbooks', { global: { monitoring: { runbooks: 'a b' } } }, /runbooks[\s\S]*pattern/],
    ['a restriction that is empty', { 'web-to-msg': { settings: { allowIps: [] } } }, /allowIps[\s\S]*minItems/],
    ['a restriction that is null', { 'web-to-msg': { settings: { allowIps: null } } }, /allowIps/],
    ['a list of tokens that is empty', { 'web-to-msg': { settings: { tokens: [] } } }, /tokens/],
    ['a restriction of blanks', { 'web-to-msg': { settings: { blockIps: [' '] } } }, /blockIps[\s\S]*pattern/],
    ['an audience of blanks', { 'web-to-msg': { settings: { jwtAudience: ' ' } } }, /jwtAudience[\s\S]*pattern/],
    ['an issuer that is empty', { 'web-to-msg': { settings: { jwtIssuer: '' } } }, /jwtIssuer[\s\S]*(minLength|length)/],
    ['a predicate that is empty', { shoveltomany: { settings: { when: '' } } }, /when[\s\S]*(minLength|length)/],
    ['an empty list of MIME types', { 'deploy-blobs': { settings: { mime: [] } } }, /mime[\s\S]*minItems/],
    ['a secret in the values', { 'web-to-msg': { settings: { tokens: ['1234567890abcdef'] } } }, /tokens/],
    ['a server that is missing', { minio: { enabled: false } }, /global\.store\.url is missing.*minio\.enabled/],
    ['a server that is not used', { global: { registry: { url: 'redis://a' } } }, /valkey\.enabled must be false/],
    ['a route without a Gateway', { 'web-to-msg': { route: { enabled: true } } }, /web-to-msg: route\.parentRefs is missing/],
    ['a spool that does not fit', { 'web-to-msg': { settings: { spoolLimit: '2.5GB' } } }, /spoolLimit is 2\.5GB.* spool\.size \(2Gi\)/],
    ['a volume too small', { 'web-to-msg': { spool: { size: '1024Mi' } } }, /web-to-msg: settings\.spoolLimit is 1073741824/],
    [
      'a minimum above the maximum',
      { builder: { autoscaling: { enabled: true, minReplicas: 3 } } },
      /builder: autoscaling\.minReplicas is 3/,
    ],
  ])('refuses %s, and names the value', async (_, values, message) => {
    const { code, stderr } = await template(which, 'blockhub', values);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  test('if another chart contains this one, `global` may have more values', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blockhub-charts-'));
    mkdirSync(join(folder, 'charts'));
    symlinkSync(join(chartsFolder, 'blockhub'), join(folder, 'charts/blockhub'));
    writeFileSync(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: above\nversion: 1.0.0\n');
    const set = ['--set', 'global.imageRegistry=registry.example.com,global.partitions=4'];
    const { code, stdout, stderr } = await helm(which, ['template', 'demo', folder, '--kube-version', KUBERNETES, ...set]);
    rmSync(folder, { recursive: true });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/name: BLOCKHUB_PARTITIONS\n +value: "4"/);
  });
});
