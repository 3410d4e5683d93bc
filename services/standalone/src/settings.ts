import { chain, type Group, groups, type Place } from '@blockhub/mesh';
import { type Setting, type SettingsShape, setting } from '@blockhub/settings';
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

function settingsOfPlace(place: Place): [string, Setting<unknown>][] {
  return namesOf(place).map((name) => {
    const one = place.worker.settings[name] as Setting<unknown>;
    const given = place.settings[name];
    // The group may be off. If it is on, the start of the place checks what it requires.
    const preset = { required: false, ...(given !== undefined && { default: given }) };
    return [nameIn(place, name), { ...one, text: `${place.name}: ${one.text}`, ...preset }];
  });
}

/** The settings that a place of a further group has in the values of the program. */
export const valuesOf = (place: Place, values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(namesOf(place).map((name) => [name, values[nameIn(place, name)]]));

/** Settings of capture and of the process. Others have their place's name first: `walkerPort`. */
export const settingsFor = (all: readonly Group[]) => ({
  ...own,
  with: setting.list({
    text: 'Further groups of services to run in this process. The group `chain` always runs.',
    of: all.map(({ name }) => name),
    default: [],
    placeholder: 'GROUP,…',
  }),
  ...Object.fromEntries(all.filter((group) => group !== chain).flatMap(({ places }) => places.flatMap(settingsOfPlace))),
});

export type Settings = ReturnType<typeof settingsFor>;

export const settings: SettingsShape = settingsFor(groups);
