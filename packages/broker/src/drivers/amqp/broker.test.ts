import { sharedRabbitmq } from '@blockhub/test-servers';
import { afterAll, test } from '@jest/globals';
import { testBroker } from '../../conformance.ts';
import { Bench } from './server.fixture.ts';

const server = await sharedRabbitmq();

if ('absent' in server) test.skip(`RabbitMQ (${server.absent})`, () => {});
else {
  afterAll(() => server.close());

  testBroker(
    'amqp',
    async () => {
      const bench = await new Bench(server).open();
      return {
        connect: () => bench.connect(),
        async restart(broker) {
          await broker.close();
          return bench.connect();
        },
        async kill(broker) {
          const proxy = bench.proxyOf(broker);
          proxy.mode = 'refuse';
          proxy.cut();
        },
        pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        patience: 500,
        dispose: () => bench.close(),
      };
    },
    {
      'many retries each come at their own time': 'delays are rounded up to powers of two; own test',
      'what fails leaves nothing behind': 'AMQP publishes and declares one by one',
      'a full queue refuses that publish only': 'RabbitMQ refuses a moment late, and no queue can change its limits; own test',
      'browse and take reach delayed messages': 'what is delayed lies in queues that all share',
      'browse leaves the order as it is': 'what is browsed is taken out and put back',
      'what is not acked comes again in order': 'RabbitMQ gives them back in the order of their last delivery',
    },
  );
}
