import { type Place, places } from './places.ts';

export const PARTITIONS = 2;
/** Where notices of blocks go by template; the test reads them. */
export const noticeQueues = Array.from({ length: PARTITIONS }, (_, p) => `notices.${p}`);

/** Settings that make rare things common and waits short, by place. */
const own: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'dead-letter': { BLOCKHUB_DELAY: '1s', BLOCKHUB_REPAIRS: '2' },
  shoveltomany: { BLOCKHUB_PARTITIONS: String(PARTITIONS), BLOCKHUB_TO: 'notices.{partition(msg.meta.chain)}' },
  builder: { BLOCKHUB_WINDOW_CHAINS: '50' },
  grouper: { BLOCKHUB_TTL: '50ms' },
  'deploy-blobs': { BLOCKHUB_MAX_AHEAD: '10s' },
  'web-to-msg': { BLOCKHUB_MESSAGE_LIMIT: '4kb', BLOCKHUB_IDEMPOTENCY_HEADERS: 'idempotency-key' },
};

/** The whole pipeline, as it ships but for those. */
export const services: readonly Place[] = places(PARTITIONS).map((place) => ({ ...place, env: { ...place.env, ...own[place.name] } }));
