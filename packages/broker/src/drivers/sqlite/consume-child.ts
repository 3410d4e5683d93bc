import { errorCode } from '@blockhub/errors';
import { openSqliteBroker } from './broker.ts';

/**
 * A process that consumes queue `a` of the file given, acks nothing, and goes on until it is
 * killed. Says `consumes`, or the code of the error.
 */
const broker = await openSqliteBroker(process.argv[2] ?? '');
await broker.declare([{ name: 'a', kind: 'durable' }]);
await broker
  .consume('a', { prefetch: 10 }, () => {})
  .then(
    () => process.stdout.write('consumes\n'),
    async (error) => {
      process.stdout.write(`${errorCode(error)}\n`);
      await broker.close();
    },
  );
