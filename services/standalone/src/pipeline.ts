import { worker as builder } from '@blockhub/builder';
import { worker as deadLetter } from '@blockhub/dead-letter';
import { worker as deploy } from '@blockhub/deploy';
import { worker as grouper } from '@blockhub/grouper';
import { queues } from '@blockhub/message';
import { worker as msgMerge } from '@blockhub/msg-merge';
import { worker as nextField } from '@blockhub/next-field';
import { worker as patchblock } from '@blockhub/patchblock';
import { defaults, type SettingsShape, type Values } from '@blockhub/settings';
import { worker as shoveltomany } from '@blockhub/shoveltomany';
import { type RunningWorker, type StartOptions, startWorker, type Worker } from '@blockhub/worker';

/** A worker with its settings: one place in the pipeline. */
export interface Stage {
  readonly name: string;
  /** What runs there. */
  readonly worker: Worker;
  /** Settings that are no defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
  start(options: Omit<StartOptions, 'settings'>): Promise<RunningWorker>;
}

export interface PipelineOptions {
  /** Queues that chains are spread over. */
  readonly partitions?: number;
  /** How long events wait for others to share a block with, in ms; as grouper says by itself when absent. */
  readonly groupTtlMs?: number;
  /** How long blobs wait for others to share a pack with, in ms; as deploy says by itself when absent. */
  readonly packTtlMs?: number;
}

function stage<const Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  given: Partial<Values<Shape>>,
  name = worker.name,
): Stage {
  const settings = defaults(worker.settings, given);
  return { name, worker, settings: given, start: (options) => startWorker(worker, { ...options, settings }) };
}

/** Chains whose tail and last events are at hand; the others cost a search of a few requests when they wake. */
const REMEMBERED_CHAINS = 5_000;

/** Every stage behind capture, from the end to the beginning: who takes is there before who gives. */
export function pipeline({ partitions = 1, groupTtlMs, packTtlMs }: PipelineOptions = {}): Stage[] {
  return [
    stage(deadLetter, {}),
    stage(shoveltomany, { in: queues.committed.name }),
    stage(patchblock, {}),
    stage(nextField, { partitions }),
    stage(
      deploy,
      {
        partitions,
        in: queues.created.name,
        key: 'blocks/{msg.meta.block}.block',
        out: 'blocks.newblocksaved.{partition(msg.meta.chain)}',
        body: 'pass',
        identity: 'first-line',
        pack: false,
      },
      'deploy-blocks',
    ),
    stage(builder, { partitions, windowChains: REMEMBERED_CHAINS }),
    stage(msgMerge, { partitions, maxKeys: REMEMBERED_CHAINS }),
    stage(grouper, { partitions, ...(groupTtlMs !== undefined && { ttl: groupTtlMs }) }),
    stage(
      deploy,
      {
        partitions,
        in: queues.ingress.name,
        out: 'blobs.deployed.{partition(msg.meta.chain)}',
        pack: true,
        ...(packTtlMs !== undefined && { packTtl: packTtlMs }),
      },
      'deploy-blobs',
    ),
  ];
}
