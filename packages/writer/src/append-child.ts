/**
 * `append-child.ts <store url> <chain> <name> <count>`: appends one blob as a block and, when the
 * other child of append.test.ts has too, the rest as fast as it can.
 */
import { randomBytes } from 'node:crypto';
import { newEvent } from '@blockhub/chain';
import { openStore } from '@blockhub/store';
import { findTail } from '@blockhub/walker';
import { append } from './append.ts';

const [url = '', chain = '', name = '', count = '0'] = process.argv.slice(2);
const store = await openStore(url);
for (let number = 0; number < Number(count); number++) {
  const appended = await append(store, chain, [{ bytes: Buffer.from(`${name} ${number}`) }], {
    newEvent: () => newEvent(Date.now(), randomBytes(10)),
  });
  process.stdout.write(`${appended.receipts[0]?.event}\n`);
  while (number === 0 && (await findTail(store, appended.chain)).height < 2);
}
await store.close();
