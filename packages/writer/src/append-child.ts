/** Child of append.test.ts: `append-child.ts <store url> <chain> <name> <count>` appends so many blobs, one block each, as fast as it can. */
import { randomBytes } from 'node:crypto';
import { newEvent } from '@blockhub/chain';
import { openStore } from '@blockhub/store';
import { append } from './append.ts';

const [url = '', chain = '', name = '', count = '0'] = process.argv.slice(2);
const store = await openStore(url);
for (let number = 0; number < Number(count); number++) {
  const { receipts } = await append(store, chain, [{ bytes: Buffer.from(`${name} ${number}`) }], {
    newEvent: () => newEvent(Date.now(), randomBytes(10)),
  });
  process.stdout.write(`${receipts[0]?.event}\n`);
}
await store.close();
