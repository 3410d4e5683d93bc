import { chain, type Group, groups, type Place } from '@blockhub/mesh';
import { defaults, type Setting, type SettingsShape, setting } from '@blockhub/settings';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { commonSettings } from '@blockhub/worker';

const own = {
  data: setting.text({
    text: 'Folder of all data. The store is the folder DIR/store; queues and registry are files beside it.',
    default: './data',
    example: '/var/lib/blockhub',
  }),
  ...webToMsg.settings,
  probeHost: commonSettings.probeHost,
  probePort: commonSettings.probePort,
  groupTtl: setting.duration({ text: 'How long an event waits for others, so that they share a block.', default: '20ms' }),
  logLevel: setting.choice({
    text: 'Lowest level that is logged. Log lines are JSON objects on standard output.',
    of: ['debug', 'info', 'warn', 'error'],
    default: 'warn',
  }),
  grace: setting.duration({ text: 'How long a stop may take to finish messages and requests under way.', default: '10s' }),
};

/** `s3-proxy` and `port` give `s3ProxyPort`. */
const nameIn = (place: Place, name: string): string =>
  `${place.name}-${name}`.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** The settings of a place but `partitions`: one process has one partition. */
const namesOf = ({ worker }: Place): string[] => Object.keys(worker.settings).filter((name) => name !== 'partitions');

/** The settings of a place under their names in the program. The list gives their defaults. */
function settingsOfPlace(place: Place): SettingsShape {
  return Object.fromEntries(
    namesOf(place).map((name) => {
      const one = place.worker.settings[name] as Setting<unknown>;
      const given = place.settings[name];
      return [
        nameIn(place, name),
        { ...one, text: `${place.name}: ${one.text}`, ...(given !== undefined && { default: given, required: false }) },
      ];
    }),
  );
}

/**
 * The settings that a place of a further group has in the values of the program.
 * @throws SETTINGS_INVALID if a required one is not set
 */
export function valuesOf(place: Place, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const checked = defaults(settingsOfPlace(place), values);
  return Object.fromEntries(namesOf(place).map((name) => [name, checked[nameIn(place, name)]]));
}

const furtherPlaces = (all: readonly Group[]): Place[] => all.filter((group) => group !== chain).flatMap(({ places }) => places);

/** A group may be off, so none of its settings is required before `valuesOf`. */
const optional = (shape: SettingsShape): SettingsShape =>
  Object.fromEntries(Object.entries(shape).map(([name, one]) => [name, { ...one, required: false }]));

/** Settings of capture and of the process. Others have their place's name first: `walkerPort`. */
export const settingsFor = (all: readonly Group[]) => ({
  ...own,
  with: setting.list({
    text: 'Further groups of services to run in this process. The group `chain` always runs.',
    of: all.map(({ name }) => name),
    default: [],
    placeholder: 'GROUP,…',
  }),
  ...optional(Object.assign({}, ...furtherPlaces(all).map(settingsOfPlace))),
});

export type Settings = ReturnType<typeof settingsFor>;

export const settings: SettingsShape = settingsFor(groups);
