import { type Group, groups, type Place, queuesOf, type Volume } from '@blockhub/mesh';
import { envName, type SettingsShape } from '@blockhub/settings';
import { settings as standaloneSettings } from '@blockhub/standalone';
import { settingsOf } from '@blockhub/worker';

const MOUNT = '/var/lib/blockhub';

/** A volume of each pod. */
interface ChartVolume {
  /** The chart value with its size and storage class. */
  readonly of: string;
  readonly mount: string;
  /** The variable that names the folder of the process in it. */
  readonly variable: string;
  readonly folder: string;
  /** The setting that limits what the process keeps there, and its default in bytes. */
  readonly limit?: { readonly setting: string; readonly bytes: number };
}

/** A chart: a service with the settings that it has at its place in the mesh. */
export interface ChartPlace {
  readonly name: string;
  readonly service: string;
  /** The group that switches it on; undefined for `standalone`, which is switched on by itself. */
  readonly group?: string;
  readonly summary: string;
  readonly needs: readonly ('broker' | 'store' | 'registry')[];
  /** It has the setting for the number of partitions. */
  readonly partitions: boolean;
  /** It answers HTTP requests. */
  readonly listens: boolean;
  readonly volume?: ChartVolume;
  readonly settings: SettingsShape;
  /** Settings that differ from their defaults here. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Shared queues that it takes from. */
  readonly queues: readonly string[];
  /** Queues that it declares, private ones included. */
  readonly declares: readonly string[];
  /** Private queues that it takes from. */
  readonly own: readonly string[];
  /** Settings with names of queues that are in no catalogue. */
  readonly namesQueues: readonly string[];
}

function volumeOf({ of, setting, limit }: Volume, settings: SettingsShape): ChartVolume {
  const folder = `${MOUNT}/${of}`;
  const bytes = limit === undefined ? undefined : (settings[limit]?.default as number | undefined);
  return {
    of,
    mount: MOUNT,
    variable: envName(setting),
    folder,
    ...(limit !== undefined && bytes !== undefined && { limit: { setting: limit, bytes } }),
  };
}

function chartPlace({ name: group }: Group, place: Place): ChartPlace {
  const { name, worker, settings: given, listens = false, volume, namesQueues = [] } = place;
  const { takes, own, declares } = queuesOf(place);
  return {
    name,
    service: worker.name,
    group,
    summary: worker.summary,
    needs: ['broker', ...worker.needs],
    partitions: 'partitions' in worker.settings,
    listens,
    ...(volume && { volume: volumeOf(volume, worker.settings) }),
    settings: settingsOf(worker),
    given,
    queues: takes,
    declares,
    own,
    namesQueues,
  };
}

/** The places of every group, in the order of the list. */
export const meshPlaces: readonly ChartPlace[] = groups.flatMap((group) => group.places.map((place) => chartPlace(group, place)));

/** The whole mesh in one process. */
const standalone: ChartPlace = {
  name: 'standalone',
  service: 'standalone',
  summary: 'Every service in one process, on queues and a bucket in a volume of its own.',
  needs: [],
  partitions: false,
  listens: true,
  volume: volumeOf({ of: 'data', setting: 'data' }, standaloneSettings),
  settings: standaloneSettings,
  given: {},
  queues: [],
  declares: [],
  own: [],
  namesQueues: [],
};

export const places: readonly ChartPlace[] = [...meshPlaces, standalone];
