import { expect, test } from '@jest/globals';
import { get, type Helm, places, podOf, template } from './helm.ts';
import { each } from './with-helm.ts';

each('with Helm %s', (_: string, which: Helm) => {
  test('`global.networkPolicy.egress` holds for all pods of Blockhub', async () => {
    const rule = { to: [{ ipBlock: { cidr: '169.254.170.23/32' } }], ports: [{ protocol: 'TCP', port: 80 }] };
    const { objects } = await template(which, 'blockhub', { global: { networkPolicy: { egress: [rule] } } });
    const allowed = objects.filter(
      ({ kind, spec }) => kind === 'NetworkPolicy' && JSON.stringify(spec.egress ?? []).includes('169.254.170.23'),
    );
    expect(allowed.map(({ metadata }) => metadata.name.replace('demo-', '')).toSorted()).toEqual(
      [...places.filter((place) => place !== 'standalone'), 'setup', 'test'].toSorted(),
    );
  });

  test('servers accept only the places that need them', async () => {
    const rendered = await template(which, 'blockhub');
    const allowed = (name: string): string[] =>
      get(rendered, 'NetworkPolicy', name).spec.ingress.flatMap(
        ({ from }: { from: [{ podSelector: { matchExpressions: [{ values: string[] }] } }] }) =>
          from.flatMap(({ podSelector }) => podSelector.matchExpressions.flatMap(({ values }) => values)),
      );
    expect(allowed('demo-registry')).toEqual(['next-field', 'patchblock', 'web-to-msg']);
    expect(allowed('demo-store')).not.toContain('grouper');
    expect(get(rendered, 'NetworkPolicy', 'demo-default-deny').spec).toEqual({
      podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'demo', 'app.kubernetes.io/part-of': 'blockhub' } },
      policyTypes: ['Ingress', 'Egress'],
    });
    const selected = rendered.objects
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map(({ spec }) => spec.podSelector.matchLabels['app.kubernetes.io/component']);
    for (const object of rendered.objects.filter(podOf)) {
      const labels = object.kind === 'Pod' ? object.metadata.labels : object.spec.template.metadata.labels;
      expect(selected).toContain(labels['app.kubernetes.io/component']);
    }
    const none = await template(which, 'blockhub', { global: { networkPolicy: { enabled: false } } });
    expect(none.objects.map(({ kind }) => kind)).not.toContain('NetworkPolicy');
  });

  test.each([
    ['of all', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, {}, [4318, 4318]],
    ['of one', {}, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector.example.com/v1/traces' }, [443, undefined]],
    ['of one before that of all', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://b:1' }, [1, 80]],
  ])('spans get to a collector that is named by a variable %s', async (_, all, own, ports) => {
    const rendered = await template(which, 'blockhub', { global: { env: all }, builder: { env: own } });
    const last = (place: string): number | undefined =>
      get(rendered, 'NetworkPolicy', `demo-${place}`)
        .spec.egress.filter((rule: { to?: object }) => rule.to === undefined)
        .slice(1)
        .map((rule: { ports: [{ port: number }] }) => rule.ports[0].port)
        .at(-1);
    expect([last('builder'), last('msg-merge')]).toEqual(ports);
  });
});
