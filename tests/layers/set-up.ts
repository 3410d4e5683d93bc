import { join } from 'node:path';
import { type SharedServers, shareServers } from '@blockhub/test-servers';

let shared: SharedServers | undefined;

/** Before the first suite, in the process that starts the workers. */
// biome-ignore lint/style/noDefaultExport: Jest takes it.
export default async function setUp(): Promise<void> {
  // Most of the time of a short process goes into compiling its code.
  process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../node_modules/.cache/blockhub-tests');
  shared = await shareServers();
  process.env.BLOCKHUB_TEST_SHARED = shared.url;
}

/** After the last suite, in the same process. */
export const closeShared = async (): Promise<void> => shared?.close();
