import { defaults, envName, type SettingsShape, type Values } from '@blockhub/settings';
import { type RunningWorker, type StartOptions, startWorker, type Worker } from '@blockhub/worker';

/** A volume that each instance of a place has to itself. */
export interface Volume {
  /** The chart value with its size and storage class. */
  readonly of: string;
  /** The setting that names the folder of the process in it. */
  readonly setting: string;
  /** The setting that limits what the process keeps in it, in bytes. */
  readonly limit?: string;
}

/** What a place is beside its worker and settings. */
export interface PlaceOptions {
  /** The name of the worker by default. Two places of one worker need two names. */
  readonly name?: string;
  /** It answers HTTP requests, at the address of its settings `host` and `port`. */
  readonly listens?: boolean;
  readonly volume?: Volume;
  /** Settings with names of queues that are in no catalogue. Its RabbitMQ user may declare them. */
  readonly namesQueues?: readonly string[];
}

/** A worker with the settings that it has at its place in the mesh. */
export interface Place extends PlaceOptions {
  readonly name: string;
  readonly worker: Worker;
  /** Settings that differ from their defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The same place with these settings changed. */
  with(settings: Readonly<Record<string, unknown>>): Place;
  start(options: Omit<StartOptions, 'settings'>): Promise<RunningWorker>;
}

/** Places that are switched on together. */
export interface Group {
  /** Also the value of `--with`, the chart value `NAME.enabled`, and the name of its catalogue. */
  readonly name: string;
  /** One sentence for help and docs. */
  readonly summary: string;
  /** In the order in which a message passes them. */
  readonly places: readonly Place[];
}

/** A place of this worker. Its types check the settings. */
export function place<const Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  settings: Partial<Values<Shape>> = {},
  options: PlaceOptions = {},
): Place {
  return {
    name: worker.name,
    ...options,
    worker,
    settings,
    with: (changed) => place(worker, { ...settings, ...changed }, options),
    start: (parts) => startWorker(worker, { ...parts, settings: defaults(worker.settings, settings) }),
  };
}

/** The variables of the environment that give a place its settings, in a process of its own. */
export const variablesOf = ({ settings }: Place): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [envName(name), String(value)]));
