import { queueEntries, queues } from '@blockhub/message';
import { defaults } from '@blockhub/settings';
import type { Place } from './place.ts';

/** The queues of a place, by their names in the catalogues: `{p}` stands for every partition. */
export interface PlaceQueues {
  /** Queues that it takes from and shares with other instances. */
  readonly takes: readonly string[];
  /** Queues that it publishes to, as its settings name them. */
  readonly gives: readonly string[];
  /** Private queues that it takes from. */
  readonly own: readonly string[];
  /** Queues that it must be allowed to declare, private ones included. */
  readonly declares: readonly string[];
}

const INSTANCE = '{instance}';
const entries = queueEntries();

/** The name in the catalogue, for the name of one partition or for a template of all partitions. */
function familyOf(name: string): string {
  const wanted = name.replace(/\{partition\([^{}]*\)\}/, '{p}');
  return entries.find((entry) => entry.name === wanted || entry.name.replace('{p}', '0') === wanted)?.name ?? wanted;
}

const isShared = (family: string): boolean => !family.includes(INSTANCE);

/** The queues of a place with the settings that it has there. */
export function queuesOf({ worker, settings }: Place): PlaceQueues {
  const values = defaults(worker.settings, settings);
  const taken = (worker.takes?.(values, INSTANCE) ?? []).map(({ queue }) => familyOf(queue));
  const gives = [...new Set((worker.gives?.(values) ?? []).map(familyOf))];
  const given = gives.filter((family) => isShared(family) && entries.some(({ name }) => name === family));
  const declared = (worker.declares?.(values, INSTANCE) ?? []).map(({ name }) => name);
  return {
    takes: [...new Set(taken.filter(isShared))],
    gives,
    own: taken.filter((family) => !isShared(family)),
    declares: [...new Set([...taken, ...given, ...declared, queues.deadLetter.name])],
  };
}
