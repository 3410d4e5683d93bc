import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { testBroker } from '../../conformance.ts';
import type { Broker } from '../../types.ts';
import { openSqliteBroker } from './broker.ts';

const oneProcess = 'one process consumes from a file; the kill test covers its death';

testBroker(
  'sqlite',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub-broker-'));
    const clock = new VirtualClock();
    const open = new Set<Broker>();
    const connect = async (): Promise<Broker> => {
      const broker = await openSqliteBroker(join(folder, 'broker.sqlite'), { clock });
      open.add(broker);
      return broker;
    };
    return {
      connect,
      async restart(broker) {
        await broker.close();
        return connect();
      },
      kill: async () => {
        throw new Error('not in this process');
      },
      pass: (ms) => clock.advance(ms),
      async dispose() {
        for (const broker of open) await broker.close();
        await rm(folder, { recursive: true });
      },
    };
  },
  {
    'a private queue belongs to one connection': oneProcess,
    'single active: the next takes over when a process dies': oneProcess,
  },
);
