import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { describeRun, run } from './run.ts';
import { openServers } from './servers.ts';

const FAULTS = 100;
const name = `${FAULTS} faults: nothing is lost, doubled, forked or unexpected, and the mesh comes to rest`;
const servers = await openServers();

if ('absent' in servers) test.skip(`${name} (left out: ${servers.absent})`, () => undefined);
else {
  afterAll(() => servers.close());

  test(name, async () => {
    const result = await run(servers, {
      seed: 20261121,
      faults: FAULTS,
      everyMs: 1_200,
      chains: 200,
      senders: 8,
      pauseMs: 250,
      replicas: 2,
      restMs: 180_000,
      logs: mkdtempSync(join(tmpdir(), 'blockhub-conservation-')),
      say: () => undefined,
    });
    expect(result.clean ? '' : describeRun(result)).toBe('');
    // A run without faults and events would be clean too.
    expect(Object.values(result.injected).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(FAULTS * 0.7);
    expect(result.verdict.events).toBeGreaterThan(200);
  }, 900_000);
}
