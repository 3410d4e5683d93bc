import { afterEach, beforeEach, describe, test } from '@jest/globals';
import { browsing, closing } from './conformance/browsing.ts';
import { order, settling } from './conformance/delivering.ts';
import type { Bench, Check, Harness } from './conformance/kit.ts';
import { declaring, singleActive } from './conformance/queues.ts';

const checks: Readonly<Record<string, Check>> = { ...order, ...settling, ...declaring, ...singleActive, ...browsing, ...closing };

/** The promises of every driver, as tests. `skip`: why a driver cannot pass a test. */
export function testBroker(driver: string, open: () => Promise<Harness>, skip: Readonly<Record<string, string>> = {}): void {
  const unknown = Object.keys(skip).filter((title) => !(title in checks));
  if (unknown.length > 0) throw new Error(`no such test to skip: ${unknown.join(', ')}`);
  describe(`${driver} broker`, () => {
    let bench: Bench;
    beforeEach(async () => {
      const harness = await open();
      bench = { harness, broker: await harness.connect() };
    });
    afterEach(() => bench.harness.dispose());
    for (const [title, check] of Object.entries(checks)) {
      const reason = skip[title];
      if (reason === undefined) test(title, () => check(bench));
      else test.skip(`${title} (skipped: ${reason})`, () => {});
    }
  });
}
