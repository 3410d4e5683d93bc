import { worker as builder } from '@blockhub/builder';
import { worker as deadLetter } from '@blockhub/dead-letter';
import { worker as deploy } from '@blockhub/deploy';
import { worker as grouper } from '@blockhub/grouper';
import { queues } from '@blockhub/message';
import { worker as msgMerge } from '@blockhub/msg-merge';
import { worker as nextField } from '@blockhub/next-field';
import { worker as patchblock } from '@blockhub/patchblock';
import { worker as shoveltomany } from '@blockhub/shoveltomany';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { type Group, place } from './place.ts';

/**
 * Number of chains whose tail and last events stay in memory. A few requests to the store find them
 * again for any other chain.
 */
const REMEMBERED_CHAINS = 5_000;

/** From the request of a sender to the committed block. */
export const chain: Group = {
  name: 'chain',
  summary: 'Captures what senders POST and links it into chains.',
  places: [
    place(webToMsg, {}, { listens: true, volume: { of: 'spool', setting: 'spool', limit: 'spoolLimit' } }),
    place(deploy, { in: queues.ingress.name, out: 'blobs.deployed.{partition(msg.meta.chain)}', pack: true }, { name: 'deploy-blobs' }),
    place(grouper),
    place(msgMerge, { maxKeys: REMEMBERED_CHAINS }),
    place(builder, { windowChains: REMEMBERED_CHAINS }),
    place(
      deploy,
      {
        in: queues.created.name,
        key: 'blocks/{msg.meta.block}.block',
        out: 'blocks.newblocksaved.{partition(msg.meta.chain)}',
        body: 'pass',
        identity: 'first-line',
        pack: false,
      },
      { name: 'deploy-blocks' },
    ),
    place(nextField, {}, { namesQueues: ['receipts'] }),
    place(patchblock),
    place(shoveltomany, { in: queues.committed.name }, { namesQueues: ['to'] }),
    place(deadLetter),
  ],
};
