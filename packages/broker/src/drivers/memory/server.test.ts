import { VirtualClock } from '@blockhub/clock';
import { testBroker } from '../../conformance.ts';
import type { MemoryConnection } from './connection.ts';
import { MemoryBroker } from './server.ts';

testBroker('memory', async () => {
  const clock = new VirtualClock();
  const server = new MemoryBroker({ clock });
  return {
    connect: async () => server.connect(),
    async restart(broker) {
      await broker.close();
      return server.connect();
    },
    kill: async (broker) => (broker as MemoryConnection).kill(),
    pass: (ms) => clock.advance(ms),
    dispose: async () => {},
  };
});
