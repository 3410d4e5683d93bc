#!/usr/bin/env -S node --max-semi-space-size=4
import { enableCompileCache } from 'node:module';

// Halves the start from the second time on.
enableCompileCache();
const argv = process.argv.slice(2);
const isService = argv[0] === 'run' && argv[1] !== undefined && !argv[1].startsWith('-');
const { run } = isService ? await import('./run-service.ts') : await import('./run.ts');
// Whoever reads what stands beside the data may go: the exit code tells all the same.
process.stderr.on('error', () => {});
process.exitCode = await run(argv);
