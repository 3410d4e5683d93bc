import { envName, isOneEdit } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const variablesOf = (name: string, secret: boolean): string[] => (secret ? [envName(name), `${envName(name)}_FILE`] : [envName(name)]);

/** Kubernetes sets `{SERVICE}_PORT=tcp://…` in each pod for every Service. */
export const isServiceLink = (value: string): boolean => /^(tcp|udp|sctp):\/\//.test(value);

/**
 * A mistake for each unknown variable that is one edit away from a setting that is not set. Other
 * unknown variables are ignored, because they may belong to another program. Values are not shown.
 */
export function findMisspelt(shape: SettingsShape, env: Environment): string[] {
  const settings: [string, Setting<unknown>][] = Object.entries(shape);
  const known = settings.flatMap(([name, { secret }]) => variablesOf(name, secret));
  const unset = known.filter((variable) => !env[variable]);
  const others = new Set([...known, ...settings.flatMap(([, { secret, unlike }]) => unlike.flatMap((name) => variablesOf(name, secret)))]);
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('BLOCKHUB_') || !value || others.has(variable) || isServiceLink(value)) return [];
    const meant = unset.filter((one) => isOneEdit(variable, one));
    return meant.length === 0 ? [] : [`${variable} is not a setting: did you mean ${meant.join(' or ')}?`];
  });
}
