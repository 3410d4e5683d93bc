import type { ServerName } from './servers.ts';

/** One service as it runs in the test: its folder, what it needs, and the flags that are its own. */
export interface Service {
  readonly name: string;
  readonly folder: string;
  readonly needs: readonly ServerName[];
  readonly flags: readonly string[];
}

export const PARTITIONS = 2;
/** Where notices of blocks go by template; the test reads them. */
export const noticeQueues = Array.from({ length: PARTITIONS }, (_, p) => `notices.${p}`);

const partitions = ['--partitions', String(PARTITIONS)];
const all = ['broker', 'store', 'registry'] as const;

/** The whole pipeline; settings that differ from the defaults are here to make rare things common and waits short. */
export const services: readonly Service[] = [
  { name: 'dead-letter', folder: 'dead-letter', needs: ['broker'], flags: ['--delay', '1s', '--repairs', '2'] },
  {
    name: 'shoveltomany',
    folder: 'shoveltomany',
    needs: ['broker'],
    flags: [...partitions, '--to', 'notices.{partition(msg.meta.chain)}'],
  },
  { name: 'patchblock', folder: 'patchblock', needs: all, flags: [] },
  { name: 'next-field', folder: 'next-field', needs: all, flags: partitions },
  {
    name: 'deploy-blocks',
    folder: 'deploy',
    needs: ['broker', 'store'],
    flags: [
      ...partitions,
      ...['--in', 'blocks.newblockcreated', '--out', 'blocks.newblocksaved', '--key', 'blocks/{msg.meta.block}.block'],
      ...['--body', 'pass', '--identity', 'first-line'],
    ],
  },
  { name: 'builder', folder: 'builder', needs: ['broker', 'store'], flags: ['--window-chains', '50'] },
  { name: 'msg-merge', folder: 'msg-merge', needs: ['broker'], flags: partitions },
  { name: 'grouper', folder: 'grouper', needs: ['broker'], flags: [...partitions, '--ttl', '50ms'] },
  {
    name: 'deploy-blobs',
    folder: 'deploy',
    needs: ['broker', 'store'],
    flags: [...partitions, '--pack', '--pack-ttl', '50ms', '--max-ahead', '10s', '--out', 'blobs.deployed.{partition(msg.meta.chain)}'],
  },
  { name: 'web-to-msg', folder: 'web-to-msg', needs: all, flags: ['--message-limit', '4kb'] },
];
