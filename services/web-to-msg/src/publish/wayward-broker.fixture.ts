import type { Broker, BrokerState, Outgoing } from '@blockhub/broker';
import { BlockhubError } from '@blockhub/errors';

/** `silent` takes nothing, `mute` never confirms, `robbed` has no queues. They look connected. */
export type Mood = 'connected' | 'blocked' | 'disconnected' | 'silent' | 'mute' | 'robbed';

export interface Wayward {
  readonly broker: Broker;
  become(mood: Mood): void;
  /** Ids of the first messages of all publishes so far, whatever became of them. */
  readonly asked: string[];
}

export function wayward(real: Broker): Wayward {
  let mood: Mood = 'connected';
  const listeners = new Set<(state: BrokerState) => void>();
  const asked: string[] = [];
  const stateOf = (): BrokerState => (mood === 'blocked' || mood === 'disconnected' ? mood : 'connected');
  const publish = async (messages: readonly Outgoing[]): Promise<void> => {
    asked.push(messages[0]?.id ?? '');
    if (mood === 'connected' || mood === 'mute') await real.publish(messages);
    if (mood === 'silent' || mood === 'mute') await new Promise(() => {});
    if (mood === 'robbed') throw new BlockhubError('BROKER_QUEUE_MISSING', 'no queue "ingress"', { details: { queue: 'ingress' } });
    if (mood !== 'connected') throw new BlockhubError('BROKER_UNAVAILABLE', `it is ${mood}`);
  };
  const broker = new Proxy(real, {
    get(target, name) {
      if (name === 'publish') return publish;
      if (name === 'state') return stateOf();
      if (name === 'onState')
        return (listener: (state: BrokerState) => void) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    broker,
    asked,
    become(next) {
      mood = next;
      for (const listener of listeners) listener(stateOf());
    },
  };
}
