import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

const top = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
const guide = read('docs/guides/operate.md');

test('each alert has its row, with its severity and its page', () => {
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

test('what is marked as executed names tests that are there', () => {
  const named = [...guide.matchAll(/\*\*✓\*\*([^✗✓]*)/g)].map(([, text = '']) =>
    [...text.matchAll(/`((?:tests|packages|services)\/[^`]+)`/g)].map(([, path = '']) => path),
  );
  expect(named.length).toBeGreaterThan(10);
  // The first one says what the mark means.
  for (const paths of named.slice(1)) expect(paths).not.toEqual([]);
  expect(named.flat().filter((path) => !existsSync(join(top, path)))).toEqual([]);
});
