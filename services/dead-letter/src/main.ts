import { main } from '@blockhub/worker';
import { worker } from './worker.ts';

await main(worker);
