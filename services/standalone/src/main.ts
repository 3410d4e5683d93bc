import { enableCompileCache } from 'node:module';

// Compiled once: later starts are faster and need no TypeScript stripper in memory.
if (import.meta.filename.endsWith('.ts')) enableCompileCache();
// Syncs of many objects must not keep the sync of the queues waiting: 4 threads, the default, would.
process.env.UV_THREADPOOL_SIZE ??= '8';
const [{ runMain }, { groups }, { standaloneOf }] = await Promise.all([
  import('@blockhub/worker'),
  import('@blockhub/mesh'),
  import('./program.ts'),
]);

await runMain(standaloneOf(groups));
