import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { declarations, queues } from '@blockhub/message';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { helms, nameOf, noHelm, podOf, template } from '../charts/helm.ts';

const top = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
const guide = read('docs/guides/operate.md');

test('each alert has a row with its severity and its page', () => {
  const { groups } = parse(read('monitoring/alerts.yaml')) as {
    groups: { rules: { alert: string; labels: { severity: string } }[] }[];
  };
  const rows = [...guide.matchAll(/^\| \[(\w+)\]\(([^)]+)\) \| (\w+) \| \S.* \|$/gm)].map(([, alert, page, severity]) => ({
    alert,
    page,
    severity,
  }));
  expect(rows).toEqual(
    groups.flatMap(({ rules }) =>
      rules.map(({ alert, labels }) => ({ alert, page: `../runbooks/${alert}.md`, severity: labels.severity })),
    ),
  );
});

test('steps that are marked as executed name existing tests', () => {
  const named = [...guide.matchAll(/\*\*✓\*\*([^✗✓]*)/g)].map(([, text = '']) =>
    [...text.matchAll(/`((?:tests|packages|services)\/[^`]+)`/g)].map(([, path = '']) => path),
  );
  expect(named.length).toBeGreaterThan(10);
  // The first one says what the mark means.
  for (const paths of named.slice(1)) expect(paths).not.toEqual([]);
  expect(named.flat().filter((path) => !existsSync(join(top, path)))).toEqual([]);
});

test('a restore empties the queues that refer to the bucket, and keeps those that can be consumed again', () => {
  const [, commands = ''] = /^ *```sh\n([^`]*purge_queue[^`]*)```/m.exec(guide) ?? [];
  const names = declarations(2).map(({ name }) => name);
  const stub = 'rabbitmqctl() { if [ "$1" = purge_queue ]; then echo "$2"; else echo "$QUEUES"; fi; }';
  const env = { ...process.env, QUEUES: [...names, 'blockhub.delay.1024', 'my.followers'].join('\n') };
  const purged = execFileSync('sh', ['-euc', `${stub}\n${commands}`], { env, encoding: 'utf8' })
    .trim()
    .split('\n');
  const kept: readonly string[] = [queues.ingress, queues.receipts, queues.deadLetter, queues.kept].map(({ name }) => name);
  expect(purged).toEqual(names.filter((name) => !kept.includes(name)));
});

const [which] = helms;
const stops = 'while a bucket is restored nothing runs that would use it';
if (!which) test.skip(`${stops} (${noHelm})`, () => undefined);
else
  test(stops, async () => {
    const [, values = ''] = /^ *# restore\.yaml\n([^`]*)```/m.exec(guide) ?? [];
    const { objects } = await template(which, 'blockhub', parse(values) as object, 'blockhub');
    const running = objects.filter((object) => podOf(object) && object.spec.replicas !== 0).map(nameOf);
    const servers = ['rabbitmq', 'registry', 'store'].map((name) => `StatefulSet blockhub-${name}`);
    expect(running.toSorted()).toEqual(['Deployment blockhub-dead-letter', 'Pod blockhub-test', ...servers]);
  });
