import { groups, type Place, placesOf } from '@blockhub/mesh';

export const PARTITIONS = 2;
/** The queues to which a template sends notices of blocks. The test reads them. */
export const noticeQueues = Array.from({ length: PARTITIONS }, (_, p) => `notices.${p}`);

/** The whole mesh as it ships, with settings that make rare cases common and waits short. */
export const services: readonly Place[] = placesOf(groups, {
  partitions: PARTITIONS,
  of: {
    'dead-letter': { delay: 1_000, repairs: 2 },
    shoveltomany: { to: ['notices.{partition(msg.meta.chain)}'] },
    builder: { windowChains: 50 },
    grouper: { ttl: 50 },
    'deploy-blobs': { maxAhead: 10_000 },
    'web-to-msg': { messageLimit: 4096, idempotencyHeaders: ['idempotency-key'] },
  },
}).toReversed();
