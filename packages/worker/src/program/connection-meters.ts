import type { Broker, BrokerState } from '@blockhub/broker';
import { failureClasses, type StoreOptions, storeOperations } from '@blockhub/store';
import type { Metrics } from '@blockhub/telemetry';

/** Counts the requests to a store; for the options of `openStore`. */
export function storeMeters(metrics: Metrics): Pick<StoreOptions, 'onRequest' | 'onAnswer'> {
  const requests = metrics.counter('blockhub_store_requests_total', 'Requests to the store. A listing counts once.', ['operation']);
  const seconds = metrics.histogram(
    'blockhub_store_request_seconds',
    'Time from a request to the store until its answer. For a listing, until it was read.',
    ['operation'],
  );
  const errors = metrics.counter(
    'blockhub_store_errors_total',
    'Requests to the store that failed. `transient` and `unknown` ones are tried again; `denied`, `full` and `unusable` ones fail until an operator repairs the cause.',
    ['operation', 'kind'],
  );
  const meters = forEach(storeOperations, (operation) => ({
    requests: requests.labels({ operation }),
    seconds: seconds.labels({ operation }),
    errors: forEach(failureClasses, (kind) => errors.labels({ operation, kind })),
  }));
  return {
    onRequest: (operation) => meters[operation].requests.add(),
    onAnswer(operation, ms, kind) {
      meters[operation].seconds.observe(ms / 1000);
      if (kind) meters[operation].errors[kind].add();
    },
  };
}

/** All series exist from the start: Prometheus sees no increase in a counter's first value. */
const forEach = <Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Readonly<Record<Name, T>> =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>;

const states: readonly BrokerState[] = ['connected', 'blocked', 'disconnected'];

export function watchBroker(broker: Broker, metrics: Metrics): void {
  const state = metrics.gauge('blockhub_broker_state', '1 for the current state of the connection to the broker, 0 for the others.', [
    'state',
  ]);
  for (const name of states) state.labels({ state: name }).read(() => Number(broker.state === name));
  metrics
    .gauge('blockhub_broker_unconfirmed_messages', 'Messages published to the broker that it has not confirmed yet.')
    .read(() => broker.unconfirmed);
  const lost = metrics.counter('blockhub_broker_lost_total', 'How often the connection to the broker was lost.');
  broker.onState((now) => {
    if (now === 'disconnected') lost.add();
  });
}
