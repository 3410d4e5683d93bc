import { errorCode } from '@blockhub/errors';
import { openSqliteBroker } from './broker.ts';

/** Consumes queue `a` without acks until it is killed. Prints `consumes` or an error code. */
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
