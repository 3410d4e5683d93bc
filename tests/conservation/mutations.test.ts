import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findMutations, mutations } from './mutations.ts';
import { openServers } from './servers.ts';

const edits = mutations.flatMap(({ name, edits }) => edits.map((edit) => ({ name, ...edit })));

test.each(edits)('the source still has the line that breaks a promise: $name, $file', ({ file, find }) => {
  expect(readFileSync(join(import.meta.dirname, '../..', file), 'utf8').split(find).length).toBe(2);
});

const name = 'a run finds a promise that is broken: a request that names its event asks for no claim';
const servers = await openServers();
if ('absent' in servers) test.skip(`${name} (left out: ${servers.absent})`, () => undefined);
else {
  await servers.close();
  test(name, async () => {
    const options = {
      ...{ seed: 1, faults: 6, everyMs: 1_000, chains: 10, senders: 8, pauseMs: 50, replicas: 1, restMs: 60_000 },
      logs: mkdtempSync(join(tmpdir(), 'blockhub-mutation-')),
      say: () => undefined,
    };
    expect(await findMutations(options, ['asks for no claim'])).toBe(true);
  }, 600_000);
}
