import { expect, test } from '@jest/globals';
import { layerOf, parseLayers } from './layers.ts';
import LongFirst from './long-first.ts';

/** The layer of `a.test.ts` if only these files exist. */
const layerAmong = (sources: Readonly<Record<string, string>>): string => layerOf('/x/a.test.ts', (path) => sources[path]);

test.each([
  ['nothing slow', { '/x/a.test.ts': "import { openProxy } from '@blockhub/test-servers';" }, 'fast'],
  ['a process', { '/x/a.test.ts': "import { spawn } from 'node:child_process';" }, 'long'],
  ['the type of a process', { '/x/a.test.ts': "import type { ChildProcess } from 'node:child_process';" }, 'fast'],
  [
    'a helper with a process',
    { '/x/a.test.ts': "import { a } from './a.ts';", '/x/a.ts': "import { fork } from 'node:child_process';" },
    'long',
  ],
  ['its mark', { '/x/a.test.ts': '/** @group long: it searches for a minute. */\n' }, 'long'],
  ['a server', { '/x/a.test.ts': "import { openProxy, redis } from '@blockhub/test-servers';" }, 'servers'],
  [
    'a helper with a server',
    { '/x/a.test.ts': "import './b.ts';", '/x/b.ts': "import { type Absent, minio } from '@blockhub/test-servers';" },
    'servers',
  ],
])('a suite with %s', (_, sources, layer) => {
  expect(layerAmong(sources)).toBe(layer);
});

test('a layer that does not exist is refused', () => {
  expect(parseLayers('fast,long')).toEqual(['fast', 'long']);
  expect(() => parseLayers('quick')).toThrow('expected fast, long, servers, got quick');
});

test('suites that may take long run first', () => {
  const paths = ['architecture.test.ts', 'standalone/start.test.ts', 'simulation/simulation.test.ts'];
  const sorted = new LongFirst().sort(paths.map((path) => ({ path: `${import.meta.dirname}/../${path}` })));
  expect(sorted.map(({ path }) => path.split('../')[1])).toEqual([paths[2], paths[1], paths[0]]);
});
