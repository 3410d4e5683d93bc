import { enableCompileCache } from 'node:module';

// Compiled once: later starts are faster and need no TypeScript stripper in memory.
enableCompileCache();
// Syncs of many objects must not keep the sync of the queues waiting: 4 threads, the default, would.
process.env.UV_THREADPOOL_SIZE ??= '8';
const { run } = await import('./run.ts');

// Whoever reads our output may go, and its disk may be full: that must not stop the mesh.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
process.exitCode = await run(process.argv.slice(2), process.env);
