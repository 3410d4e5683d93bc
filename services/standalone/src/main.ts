import { enableCompileCache } from 'node:module';

// Later starts are faster and do not load the code that strips types.
if (import.meta.filename.endsWith('.ts')) enableCompileCache();
// With 4 threads, the default, syncs of many objects would delay the sync of the queues.
process.env.UV_THREADPOOL_SIZE ??= '8';
const [{ runMain }, { groups }, { standaloneOf }] = await Promise.all([
  import('@blockhub/worker'),
  import('@blockhub/mesh'),
  import('./program.ts'),
]);

await runMain(standaloneOf(groups));
