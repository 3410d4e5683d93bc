import { errorCodes } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import { entries, manifests, serviceNames, sourceFiles } from './architecture/files.ts';
import { importsOf } from './architecture/imports.ts';
import { checkFile, checkManifest, layers, type Manifest, owners, reachable, staleRules, typesOf } from './architecture/rules.ts';

const services = serviceNames();
const allManifests = manifests();
const files = sourceFiles();
const production = reachable(files, entries());
const manifestOf = (path: string): Manifest => allManifests.get(`${path.split('/').slice(0, 2).join('/')}/package.json`) ?? { name: '' };

describe('packages and services', () => {
  test('every import is allowed', () => {
    expect(production.size).toBeGreaterThan(50);
    expect(
      files.flatMap((file) => checkFile(file, { manifest: manifestOf(file.path), services, isProduction: production.has(file.path) })),
    ).toEqual([]);
  });

  test('every dependency of a package.json is allowed', () => {
    expect([...allManifests].flatMap(([path, manifest]) => checkManifest(path, manifest, services))).toEqual([]);
  });

  test('no layer imports a later one', () => {
    const order = Object.keys(layers);
    for (const [unit, uses] of Object.entries(layers))
      for (const used of uses) expect([unit, used, order.indexOf(used) < order.indexOf(unit)]).toEqual([unit, used, true]);
  });

  test('every entry of the rules is used', () => {
    expect(
      staleRules(
        files.filter(({ path }) => production.has(path)),
        { layers, typesOf, owners },
      ),
    ).toEqual([]);
  });
});

/** The faults of a file with this source. Its package.json declares everything that it imports. */
const faultsOf = (path: string, source: string): string[] => {
  const dependencies = Object.fromEntries(importsOf(source).map(({ specifier }) => [specifier, '*']));
  return checkFile({ path, source }, { manifest: { name: 'x', dependencies }, services, isProduction: !path.endsWith('.test.ts') });
};

describe('the rules refuse', () => {
  test.each([
    ['packages/chain/src/a.ts', "import { openStore } from '@blockhub/store';"],
    ['packages/errors/src/a.ts', "import type { Clock } from '@blockhub/clock';"],
    ['packages/message/src/a.ts', "import { openBroker } from '@blockhub/broker';"],
    ['packages/store/src/a.ts', "import { parseBlock } from '@blockhub/chain';"],
    ['packages/registry/src/a.ts', "import {\n  seededRandom,\n  type Random,\n} from '@blockhub/faults';"],
    ['packages/worker/src/a.ts', "export { walk } from '@blockhub/walker';"],
    ['packages/walker/src/a.ts', "import { openRegistry } from '@blockhub/registry';"],
    ['packages/store/src/a.ts', "import type { ChainRecord } from '@blockhub/registry';"],
    ['packages/writer/src/a.ts', "const { template } = await import('@blockhub/message');"],
    ['packages/cli/src/a.ts', "import { worker } from '@blockhub/deploy';"],
    ['services/deploy/src/worker.ts', "import { worker } from '@blockhub/grouper';"],
    ['services/deploy/src/worker.ts', "import { groups } from '@blockhub/mesh';"],
    ['packages/cli/src/a.ts', "import { groups } from '@blockhub/mesh';"],
    ['services/standalone/src/a.ts', "import { main } from '@blockhub/cli';"],
    ['packages/newcomer/src/a.ts', "import { BlockhubError } from '@blockhub/errors';"],
  ])('layers: %s with %s', (path, source) => {
    expect(faultsOf(path, source)).toEqual([expect.stringContaining('must not import @blockhub/')]);
  });

  test.each([
    ['packages/worker/src/a.ts', "import pino from 'pino';", 'only telemetry'],
    ['packages/worker/src/a.ts', "import { Counter } from 'prom-client';", 'only telemetry'],
    ['services/deploy/src/a.ts', "import { S3Client } from '@aws-sdk/client-s3';", 'only store'],
    ['services/deploy/src/a.ts', "import { DatabaseSync } from 'node:sqlite';", 'only broker and lock and registry may'],
    ['packages/store/src/a.ts', "import { connect } from 'amqplib/callback_api.js';", 'only broker'],
    ['packages/broker/src/a.ts', "import { Redis } from 'ioredis';", 'only registry'],
    ['services/deploy/src/a.ts', "import { jwtVerify } from 'jose';", 'only web-to-msg'],
    ['services/standalone/src/a.ts', "import { Command } from 'commander';", 'only cli'],
    ['packages/chain/src/a.ts', "const require = createRequire(import.meta.url);\nrequire('ajv');", 'only message'],
    ['packages/store/src/a.ts', "import lodash from 'lodash';", 'has no owner'],
    ['packages/store/src/a.ts', "import { test } from '@jest/globals';", 'has no owner'],
  ])('vendors: %s with %s', (path, source, fault) => {
    expect(faultsOf(path, source)).toEqual([expect.stringContaining(fault)]);
  });

  test.each([
    ['services/deploy/src/a.ts', "import { x } from '@blockhub/store/src/probe.ts';", 'import @blockhub/store'],
    ['services/deploy/src/a.test.ts', "import { x } from '@blockhub/store/src/probe.ts';", 'import @blockhub/store'],
    ['services/deploy/src/a.ts', "import { x } from '@blockhub/store/conformance';", 'import @blockhub/store'],
    ['packages/store/src/drivers/a.ts', "import { x } from '../../../clock/src/clock.ts';", 'outside of its folder'],
    ['packages/store/src/a.ts', "import '../../../tests/simulation/world.ts';", 'outside of its folder'],
    ['packages/store/src/a.ts', "import { x } from './probe.test.ts';", 'is a test'],
  ])('boundaries: %s with %s', (path, source, fault) => {
    expect(faultsOf(path, source)).toEqual([expect.stringContaining(fault)]);
  });

  test.each([
    "import { readFileSync } from 'node:fs';",
    "import { createServer } from 'node:http';",
    "import { scheduler } from 'node:timers/promises';",
    "import { connect } from 'node:net';",
    'const now = Date.now();',
    'const now = new Date();',
    'const dice = Math.random();',
    "console.log('x');",
    'setTimeout(run, 5);',
    "fetch('http://x');",
    'const path = process.env.HOME;',
    'const salt = randomBytes(16);',
  ])('chain is pure: %s', (source) => {
    expect(faultsOf('packages/chain/src/a.ts', source)).toEqual([expect.stringContaining('but chain')]);
    expect(faultsOf('packages/chain/src/a.test.ts', source)).toEqual([]);
  });

  test.each([
    "import { createServer } from 'node:http';",
    "import { createServer, type Server } from 'node:http';",
    "const { createServer } = await import('node:http');",
  ])('memory: %s', (source) => {
    expect(faultsOf('packages/telemetry/src/a.ts', source)).toEqual([expect.stringContaining('loads fetch too')]);
    expect(faultsOf('packages/telemetry/src/a.test.ts', source)).toEqual([]);
    expect(faultsOf('packages/telemetry/src/a.ts', "import type { Server } from 'node:http';")).toEqual([]);
  });

  test('what an entry reaches is production, what only tests reach is not', () => {
    const sources = {
      'packages/a/src/index.ts': "export { b } from './deep/b.ts';",
      'packages/a/src/deep/b.ts': "const c = await import('../c.ts');",
      'packages/a/src/c.ts': "new Worker(new URL('./thread.ts', import.meta.url)); new URL('http://x');",
      'packages/a/src/thread.ts': '',
      'packages/a/src/samples.ts': "import fc from 'fast-check';",
      'packages/a/src/c.test.ts': "import { sample } from './samples.ts';",
    };
    const all = Object.entries(sources).map(([path, source]) => ({ path, source }));
    expect([...reachable(all, ['packages/a/src/index.ts'])]).toEqual(all.slice(0, 4).map(({ path }) => path));
  });

  test('an import that the package.json does not declare', () => {
    const file = { path: 'packages/store/src/a.ts', source: "import { systemClock } from '@blockhub/clock';" };
    expect(checkFile(file, { manifest: { name: 'x' }, services, isProduction: true })).toEqual([
      expect.stringContaining('its package.json does not declare'),
    ]);
  });

  test.each([
    [
      'packages/store/package.json',
      { name: '@blockhub/store', dependencies: { '@blockhub/chain': '*' } },
      'must not depend on @blockhub/chain',
    ],
    [
      'services/deploy/package.json',
      { name: '@blockhub/deploy', dependencies: { '@blockhub/grouper': '*' } },
      'must not depend on @blockhub/grouper',
    ],
    ['packages/store/package.json', { name: '@blockhub/store', dependencies: { pino: '*' } }, 'only telemetry'],
    ['packages/store/package.json', { name: 'store' }, 'is named store'],
    ['packages/newcomer/package.json', { name: '@blockhub/newcomer' }, 'has no layer'],
  ])('manifests: %s with %p', (path, manifest, fault) => {
    expect(checkManifest(path, manifest, services)).toEqual([expect.stringContaining(fault)]);
  });

  test('and allow what is right', () => {
    const right: [string, string][] = [
      ['packages/walker/src/a.ts', "import type { ChainRecord } from '@blockhub/registry';"],
      ['packages/broker/src/drivers/sqlite/a.ts', "import { DatabaseSync } from 'node:sqlite';\nimport { x } from '../../types.ts';"],
      ['services/standalone/src/a.ts', "import { worker } from '@blockhub/deploy';"],
      ['packages/chain/src/a.ts', "// Date.now() is for callers\n/* console.log */\nimport { hash } from 'node:crypto';"],
      ['packages/store/src/a.test.ts', "import { test } from '@jest/globals';\nimport { suite } from './conformance.ts';"],
      ['services/deploy/src/a.test.ts', "import { storeConformance } from '@blockhub/store/conformance';"],
      ['packages/store/src/a.ts', " * import { x } from 'lodash';"],
    ];
    expect(right.flatMap(([path, source]) => faultsOf(path, source))).toEqual([]);
  });
});

test('an entry of the rules that no file uses is named', () => {
  const files = [{ path: 'packages/a/src/a.ts', source: "import 'x/y';\nimport { b } from '@blockhub/b';" }];
  const rules = { layers: { a: ['b', 'c'], gone: [] }, typesOf: { a: ['b', 'e'] }, owners: { 'x/': ['a', 'd'], y: ['a'] } };
  expect(staleRules(files, rules)).toEqual([
    'layers: a does not import c',
    'typesOf: a does not import e',
    'layers: there is no package gone',
    'owners: d does not import x/',
    'owners: a does not import y',
  ]);
});

describe('error codes', () => {
  const code = files.filter(({ path }) => production.has(path) && path !== 'packages/errors/src/codes.ts');
  const uses = /(?:new BlockhubError|\breject)\(\s*'([A-Z][A-Z_]*)'|\bhasCode\([^,()]+,\s*'([A-Z][A-Z_]*)'/g;

  test('every code that is used is in the table', () => {
    const used = code.flatMap(({ path, source }) =>
      source
        .matchAll(uses)
        .map(([, thrown, asked]) => ({ path, code: thrown ?? asked ?? '' }))
        .toArray(),
    );
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((it) => !(it.code in errorCodes))).toEqual([]);
  });

  test('every code of the table is used', () => {
    const all = code.map(({ source }) => source).join('\n');
    expect(Object.keys(errorCodes).filter((name) => !all.includes(`'${name}'`))).toEqual([]);
  });
});
