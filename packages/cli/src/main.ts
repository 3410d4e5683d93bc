#!/usr/bin/env -S node --max-semi-space-size=4
import { enableCompileCache } from 'node:module';

// Halves the start from the second time on.
enableCompileCache();
const { run } = await import('./run.ts');
// Whoever reads what stands beside the data may go: the exit code tells all the same.
process.stderr.on('error', () => {});
process.exitCode = await run(process.argv.slice(2));
