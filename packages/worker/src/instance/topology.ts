import type { QueueDeclaration } from '@blockhub/broker';
import { declarations, queues } from '@blockhub/message';
import type { SettingsShape, Values } from '@blockhub/settings';
import { partitionsOf } from '../program/common-settings.ts';
import type { Worker } from '../types.ts';

/** The queues that a worker needs: its own, and those of the catalogue in its takes and gives. */
export function topologyOf<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  settings: Values<Shape>,
  instance: string,
): QueueDeclaration[] {
  const own = worker.declares?.(settings, instance) ?? [];
  const taken = worker.takes?.(settings, instance).map(({ queue }) => queue) ?? [];
  const given = worker.gives?.(settings) ?? [];
  const ownNames = new Set(own.map(({ name }) => name));
  const shared = declarations(partitionsOf(settings), [...taken, ...given, queues.deadLetter.name]);
  return [...own, ...shared.filter(({ name }) => !ownNames.has(name))];
}
