import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type QueueEntry, queues } from '@blockhub/message';
import { createMetrics } from '@blockhub/telemetry';
import { rabbitmq } from '@blockhub/test-servers';
import { afterAll, describe, expect, test } from '@jest/globals';
import { declaredMetrics } from '../reference/metrics.ts';
import { dashboard } from './dashboard.ts';
import { rabbitmqMetrics } from './rabbitmq.ts';

const top = resolve(import.meta.dirname, '../..');
const folder = join(top, 'monitoring');
const rules = readFileSync(join(folder, 'alerts.yaml'), 'utf8');
const cases = readFileSync(join(folder, 'alerts.test.yaml'), 'utf8');
const run = promisify(execFile);
const promtool = process.env.BLOCKHUB_TEST_PROMTOOL || 'promtool';
/** Why promtool is left out. If the environment names the program, it must run. */
const noPromtool =
  !process.env.BLOCKHUB_TEST_PROMTOOL && spawnSync(promtool, ['--version']).error
    ? 'there is no promtool; name one by BLOCKHUB_TEST_PROMTOOL'
    : undefined;
const server = await rabbitmq();
const noServer =
  'absent' in server ? server.absent : server.metrics === undefined ? 'the metrics of the server that is named are not known' : undefined;
afterAll(async () => {
  if (!('absent' in server)) await server.close();
});

/** Skips the test if there is a reason, with the reason in its title. */
const testUnless = (reason: string | undefined, title: string, run: () => Promise<void>): void => {
  if (reason === undefined) test(title, run);
  else test.skip(`${title} (${reason})`, () => {});
};

const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, match = '']) => match);
const alerts = matches(rules, /^ {6}- alert: (\w+)$/gm);

/** All names of metrics in an expression. */
const metricsOf = (text: string): Set<string> => new Set(matches(text, /\b((?:blockhub|rabbitmq|process|nodejs)_\w+)/g));

/** The names that a scrape can contain. */
async function knownMetrics(): Promise<Set<string>> {
  const ofNode = matches(await createMetrics().text(), /^# TYPE (\w+) /gm);
  const ours = declaredMetrics().flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => `${name}${end}`) : [name],
  );
  return new Set([...ofNode, ...ours, ...rabbitmqMetrics]);
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels } = JSON.parse(dashboard()) as { panels: Panel[] };
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe('metrics', () => {
  test('that rules use are ours, those of Node or of RabbitMQ', async () => {
    const known = await knownMetrics();
    expect(alerts.length).toBeGreaterThan(15);
    for (const text of [rules, cases, ...expressions])
      expect([...metricsOf(text.replaceAll('rabbitmq_prometheus', ''))].filter((name) => !known.has(name))).toEqual([]);
  });

  testUnless(noServer, 'of RabbitMQ are those of a real server', async () => {
    if ('absent' in server) return;
    await server.ctl?.('eval', 'rabbit_amqqueue:declare({resource,<<"/">>,queue,<<"ingress">>},true,false,[],none,<<"test">>).');
    const scrape = async (path: string): Promise<string> => (await fetch(`${server.metrics}${path}`)).text();
    let text = '';
    // RabbitMQ shows a queue after it has collected its numbers.
    while (!text.includes('rabbitmq_detailed_queue_consumers{'))
      text = await scrape('/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count');
    text += await scrape('/metrics');
    expect(rabbitmqMetrics.filter((name) => !new RegExp(`^${name}[{ ]`, 'm').test(text))).toEqual([]);
    expect(text).toMatch(/^rabbitmq_detailed_queue_consumers\{.*queue="ingress"/m);
  });
});

describe('alerts', () => {
  test('each has a page that says what to do, and each page an alert', () => {
    expect(alerts.toSorted()).toEqual([...new Set(alerts)].toSorted());
    expect(readdirSync(join(top, 'docs/runbooks')).toSorted()).toEqual(alerts.map((name) => `${name}.md`).toSorted());
    expect(matches(rules, /^ {10}runbook_url: (\S+)$/gm)).toEqual(alerts.map((name) => `docs/runbooks/${name}.md`));
    for (const name of alerts) {
      const page = readFileSync(join(top, `docs/runbooks/${name}.md`), 'utf8');
      expect(page.match(/^#.*$/gm)).toEqual([`# ${name}`, '## What it means', '## How to look', '## What to do']);
      for (const link of matches(page, /\]\(([^)]+)\)/g))
        expect([name, link, existsSync(join(top, 'docs/runbooks', link))]).toEqual([name, link, true]);
    }
  });

  test('each has a summary, a description, a severity, and a case that fires', () => {
    const parts = rules.split(/^ {6}- alert: /m).slice(1);
    for (const part of parts) {
      expect(part).toMatch(/^ {8}labels: \{severity: (critical|warning)\}$/m);
      expect(part).toMatch(/^ {10}summary: '/m);
      expect(part).toMatch(/^ {10}description: '/m);
    }
    const fires = (name: string): RegExp =>
      new RegExp(`alertname="${name}"[^}]*\\}', value: 1|alertname="${name}",alertstate="firing"|alertname: ${name}\\n\\s+exp_alerts:\\n`);
    expect(alerts.filter((name) => !fires(name).test(cases))).toEqual([]);
  });

  test('cover every queue that has a consumer', () => {
    const named = matches(rules, /queue_consumers\{queue=~"([^"]+)"\}/g).concat(
      matches(rules, /messages_ready\{queue=~"(ingress\|blobs[^"]+)"\} > 5000/g),
    );
    const taken = Object.values<QueueEntry>(queues).filter(({ kind, to }) => kind === 'durable' && to.length > 0);
    expect(named).toHaveLength(2);
    for (const pattern of named) {
      const regex = new RegExp(`^(?:${pattern})$`);
      expect(taken.filter(({ name }) => !regex.test(name.replace('{p}', '0'))).map(({ name }) => name)).toEqual([]);
      for (const other of ['dead-letter.kept', 'events.committed', 'tails.a-1', 'blockhub.delay.1000', 'x-ingress'])
        expect(regex.test(other)).toBe(false);
    }
  });

  for (const [title, args] of [
    ['are rules that Prometheus reads', ['check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yaml']],
    ['fire when they should, and only then', ['test', 'rules', 'alerts.test.yaml']],
    ['are loaded by the example configuration', ['check', 'config', 'prometheus.yaml']],
  ] as const)
    testUnless(noPromtool, title, async () => {
      expect((await run(promtool, args, { cwd: folder })).stdout).toContain('SUCCESS');
    });
});

describe('dashboard', () => {
  test('is generated from the code', () => {
    expect(readFileSync(join(folder, 'dashboard.json'), 'utf8')).toBe(dashboard());
  });

  test('has panels with an id of their own that do not cover each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { x, w } of panels.map(({ gridPos }) => gridPos)) expect(x + w).toBeLessThanOrEqual(24);
    for (const { type, title, targets } of panels) expect([title, type === 'row' || (targets?.length ?? 0) > 0]).toEqual([title, true]);
  });

  testUnless(noPromtool, 'has expressions that Prometheus reads', async () => {
    const rules = expressions.map((expr, at) => ({ record: `panel:${at}`, expr: expr.replaceAll('$__rate_interval', '1m') }));
    const checking = run(promtool, ['check', 'rules'], { cwd: folder });
    checking.child.stdin?.end(JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    expect((await checking).stdout).toContain(`${expressions.length} rules found`);
  });
});
