import { enableCompileCache } from 'node:module';

// Compiled once: later starts are faster and need no TypeScript stripper in memory.
enableCompileCache();
const { run } = await import('./run.ts');

process.exitCode = await run(process.argv.slice(2), process.env);
