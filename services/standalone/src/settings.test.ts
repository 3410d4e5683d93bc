import { chain, type Group, place } from '@blockhub/mesh';
import { parseSettings, type SettingsShape, setting } from '@blockhub/settings';
import { defineWorker, done } from '@blockhub/worker';
import { expect, test } from '@jest/globals';
import { settingsFor, valuesOf } from './settings.ts';

const worker = defineWorker({
  name: 's3-proxy',
  summary: 'For the test.',
  settings: {
    in: setting.text({ text: 'Queue.', required: true }),
    upstream: setting.text({ text: 'URL.', required: true, example: 'http://a' }),
    port: setting.integer({ text: 'Port.', default: 9000 }),
    partitions: setting.integer({ text: 'Partitions.', default: 1 }),
  },
  needs: [],
  takes: ({ in: queue }) => [{ queue }],
  handle: () => done(),
});
const proxy = place(worker, { in: 'requests' });
const store: Group = { name: 'store', summary: 'For the test.', places: [proxy] };
const shape: SettingsShape = settingsFor([chain, store]);
const parse = (...argv: string[]) => parseSettings(shape, { argv, env: {} });

test('settings of a place of a further group have the name of the place before them', () => {
  const values = parse('--with=store', '--s3-proxy-upstream=http://b', '--s3-proxy-port=9001');
  expect(valuesOf(proxy, values)).toEqual({ in: 'requests', upstream: 'http://b', port: 9001 });
  expect(shape).not.toHaveProperty('s3ProxyPartitions');
  expect(shape.s3ProxyPort?.text).toBe('s3-proxy: Port.');
});

test('a required setting is required only if the group is on', () => {
  const values = parse();
  expect(values.with).toEqual([]);
  expect(() => valuesOf(proxy, values)).toThrow(
    expect.objectContaining({ code: 'SETTINGS_INVALID', message: expect.stringContaining('--s3-proxy-upstream') }),
  );
});

test('only groups of the list can be switched on', () => {
  expect(parse('--with', 'chain,store').with).toEqual(['chain', 'store']);
  expect(() => parse('--with=stores')).toThrow('"stores" is not known: expected one or more of chain, store');
});
