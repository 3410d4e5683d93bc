#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=2 --initial-old-space-size=16 --heap-growing-percent=50
import { enableCompileCache } from 'node:module';

// Until the command adds its own: without them, signals do not end a container's first process.
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => process.listenerCount(signal) === 1 && process.exit(signal === 'SIGTERM' ? 143 : 130));
// Sources start twice as fast with it from the second time on. A bundle does not need it.
if (import.meta.filename.endsWith('.ts')) enableCompileCache();
const argv = process.argv.slice(2);
const [command, service, ...settings] = argv;
// If the reader of stderr has gone, the exit code is still of use.
process.stderr.on('error', () => {});
const isService = command === 'run' && service !== undefined && !service.startsWith('-');
process.exitCode = isService
  ? await (await import('./services.ts')).runService(service, settings)
  : await (await import('./run.ts')).run(argv);
