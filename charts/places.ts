import { type QueueEntry, queues } from '@blockhub/message';
import { defaults, type SettingsShape, type Values } from '@blockhub/settings';
import { pipeline, settings as standaloneSettings } from '@blockhub/standalone';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { settingsOf, type Worker } from '@blockhub/worker';

/** A volume of each pod, by the value that sizes it. */
interface Volume {
  readonly of: string;
  readonly mount: string;
  /** What tells the process of the folder in it. */
  readonly variable: string;
  readonly folder: string;
  /** The setting that says how many bytes the process keeps there at most; what it is where nobody says it. */
  readonly limit?: { readonly setting: string; readonly bytes: number };
}

/** A chart: a service with the settings that it has at its place in the mesh. */
export interface Place {
  readonly name: string;
  readonly service: string;
  readonly summary: string;
  readonly needs: readonly ('broker' | 'store' | 'registry')[];
  /** True where the service is told how many queues chains are spread over. */
  readonly partitions: boolean;
  /** True where it listens for requests of senders. */
  readonly listens: boolean;
  readonly volume?: Volume;
  readonly settings: SettingsShape;
  /** Settings that are no defaults here. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Queues that it takes from, those that instances share; `{p}` is every partition. */
  readonly queues: readonly string[];
  /** Queues that it declares, its private ones among them; `{p}` and `{instance}` as in the catalogue. */
  readonly declares: readonly string[];
  /** Private queues that it takes from. */
  readonly own: readonly string[];
}

const INSTANCE = '{instance}';
const entries: readonly QueueEntry[] = Object.values(queues);

/** The name in the catalogue: of one partition, or of a template that means all of them. */
function familyOf(name: string): string {
  const wanted = name.replace(/\{partition\([^{}]*\)\}/, '{p}');
  return entries.find((entry) => entry.name === wanted || entry.name.replace('{p}', '0') === wanted)?.name ?? wanted;
}

export const findEntry = (family: string): QueueEntry | undefined => entries.find(({ name }) => name === family);

const isPrivate = (family: string): boolean => family.includes(INSTANCE);

function placeOf(name: string, worker: Worker, given: Readonly<Record<string, unknown>>): Place {
  const { partitions: _, ...own } = given;
  const values = defaults(worker.settings, given as Partial<Values<SettingsShape>>);
  const taken = (worker.takes?.(values, INSTANCE) ?? []).map(({ queue }) => familyOf(queue));
  const gives = (worker.gives?.(values) ?? []).map(familyOf).filter((family) => findEntry(family) && !isPrivate(family));
  const declared = (worker.declares?.(values, INSTANCE) ?? []).map((queue) => queue.name);
  return {
    name,
    service: worker.name,
    summary: worker.summary,
    needs: ['broker', ...worker.needs],
    partitions: 'partitions' in worker.settings,
    listens: false,
    settings: settingsOf(worker),
    given: own,
    queues: [...new Set(taken.filter((family) => !isPrivate(family)))],
    declares: [...new Set([...taken, ...gives, ...declared, queues.deadLetter.name])],
    own: taken.filter(isPrivate),
  };
}

const spool: Volume = {
  of: 'spool',
  mount: '/var/lib/blockhub',
  variable: 'BLOCKHUB_SPOOL',
  folder: '/var/lib/blockhub/spool',
  limit: { setting: 'spoolLimit', bytes: defaults(webToMsg.settings, {}).spoolLimit },
};
const data: Volume = { of: 'data', mount: '/var/lib/blockhub', variable: 'BLOCKHUB_DATA', folder: '/var/lib/blockhub/data' };

/** The mesh from its door to its end. */
export const meshPlaces: readonly Place[] = [
  { ...placeOf(webToMsg.name, webToMsg, {}), listens: true, volume: spool },
  ...pipeline()
    .toReversed()
    .map(({ name, worker, settings }) => placeOf(name, worker, settings)),
];

/** All of it in one process. */
const standalone: Place = {
  name: 'standalone',
  service: 'standalone',
  summary: 'Every service in one process, on queues and a bucket in a volume of its own.',
  needs: [],
  partitions: false,
  listens: true,
  volume: data,
  settings: standaloneSettings,
  given: {},
  queues: [],
  declares: [],
  own: [],
};

export const places: readonly Place[] = [...meshPlaces, standalone];
