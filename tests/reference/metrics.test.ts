import { describe, expect, test } from '@jest/globals';
import { declaredMetrics, metricsIn } from './metrics.ts';
import { metricsPage } from './pages.ts';

describe('declared metrics', () => {
  const declared = declaredMetrics();

  test('each name has one meaning, and a sentence that says it', () => {
    expect(declared.length).toBeGreaterThan(35);
    const names = declared.map(({ name }) => name);
    expect(names.filter((name, at) => names.indexOf(name) < at)).toEqual([]);
    expect(declared.filter(({ help }) => !/^\S.*\.$/.test(help)).map(({ name }) => name)).toEqual([]);
  });

  test('each is on the page with its kind and its labels', () => {
    const page = metricsPage(declared);
    for (const { name, kind } of declared) expect(page).toContain(`| \`${name}\` | ${kind} |`);
    expect(page).toContain('| `blockhub_store_errors_total` | counter | `operation`, `kind` |');
    expect(page).toContain('## web-to-msg\n');
  });
});

test('a metric in another form is not left out unseen', () => {
  expect(metricsIn('services/x/src/a.ts', "metrics.counter('blockhub_x_total', 'It counts.', ['a', 'b']).labels(c)")).toEqual([
    { name: 'blockhub_x_total', kind: 'counter', help: 'It counts.', labels: ['a', 'b'], service: 'x' },
  ]);
  expect(() => metricsIn('packages/x/src/a.ts', "metrics.counter('blockhub_x_total', help)")).toThrow('packages/x/src/a.ts names 1');
});
