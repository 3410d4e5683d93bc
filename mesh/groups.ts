import { chain } from './chain.ts';
import type { Group, Place } from './place.ts';

/**
 * The one list of places that a mesh has. Programs, charts, docs, the configuration of RabbitMQ and
 * Prometheus, tests and benchmarks follow from it. `chain` is in every mesh. An operator switches
 * the other groups on.
 */
export const groups: readonly Group[] = [chain];

/** Changes of the settings of places, for one mesh. */
export interface MeshSettings {
  /** Number of partitions, for each place that has the setting. The default of the setting is 1. */
  readonly partitions?: number;
  /** Settings by the name of the place. */
  readonly of?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * The places of these groups with these settings, in the order of the list.
 * @throws TypeError if `of` names a place that these groups do not have
 */
export function placesOf(from: readonly Group[], { partitions, of = {} }: MeshSettings = {}): Place[] {
  const places = from.flatMap((group) => group.places);
  const unknown = Object.keys(of).find((name) => !places.some((place) => place.name === name));
  if (unknown !== undefined) throw new TypeError(`no place has the name ${unknown}`);
  return places.map((place) => {
    const shared = partitions !== undefined && 'partitions' in place.worker.settings ? { partitions } : {};
    return place.with({ ...shared, ...of[place.name] });
  });
}
