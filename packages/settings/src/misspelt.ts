import { envName, isOneEdit } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const variablesOf = (name: string, secret: boolean): string[] => (secret ? [envName(name), `${envName(name)}_FILE`] : [envName(name)]);

/** Kubernetes gives each pod `{SERVICE}_PORT=tcp://…` for every Service. */
export const isServiceLink = (value: string): boolean => /^(tcp|udp|sctp):\/\//.test(value);

/**
 * A mistake for each variable that is no setting here and one edit away from one that is not set. All others are left alone: processes share environments,
 * and what is unknown here may be another's. Values are not shown.
 */
export function findMisspelt(shape: SettingsShape, env: Environment): string[] {
  const settings: [string, Setting<unknown>][] = Object.entries(shape);
  const known = settings.flatMap(([name, { secret }]) => variablesOf(name, secret));
  const unset = known.filter((variable) => !env[variable]);
  const others = new Set([...known, ...settings.flatMap(([, { secret, unlike }]) => unlike.flatMap((name) => variablesOf(name, secret)))]);
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('BLOCKHUB_') || !value || others.has(variable) || isServiceLink(value)) return [];
    const meant = unset.filter((one) => isOneEdit(variable, one));
    return meant.length === 0 ? [] : [`${variable} is not known: did you mean ${meant.join(' or ')}?`];
  });
}
