import type { Broker, BrokerState } from '@blockhub/broker';
import { failureClasses, type StoreOptions, storeOperations } from '@blockhub/store';
import type { Metrics } from '@blockhub/telemetry';

/** What counts the requests of a store; it goes into the options of `openStore`. */
export function storeMeters(metrics: Metrics): Pick<StoreOptions, 'onRequest' | 'onAnswer'> {
  const requests = metrics.counter('blockhub_store_requests_total', 'Requests to the store; a listing counts once.', ['operation']);
  const seconds = metrics.histogram(
    'blockhub_store_request_seconds',
    'From sending a request to the store until its answer; a listing until it was read.',
    ['operation'],
  );
  const errors = metrics.counter(
    'blockhub_store_errors_total',
    'Requests to the store that failed: `denied`, `full` and `unusable` ones until somebody changes something, `transient` and `unknown` ones are tried again.',
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

/** All series from the start: what a counter has when Prometheus first sees it is no increase, so an alert would miss the first failures. */
const forEach = <Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Readonly<Record<Name, T>> =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>;

const states: readonly BrokerState[] = ['connected', 'blocked', 'disconnected'];

/** Shows how the connection to the broker is, for as long as there is one. */
export function watchBroker(broker: Broker, metrics: Metrics): void {
  const state = metrics.gauge('blockhub_broker_state', '1 for the state that the connection to the broker is in, 0 for the others.', [
    'state',
  ]);
  for (const name of states) state.labels({ state: name }).read(() => Number(broker.state === name));
  metrics
    .gauge('blockhub_broker_unconfirmed_messages', 'Messages given to the broker that it has not confirmed yet.')
    .read(() => broker.unconfirmed);
  const lost = metrics.counter('blockhub_broker_lost_total', 'Times that the connection to the broker was lost.');
  broker.onState((now) => {
    if (now === 'disconnected') lost.add();
  });
}
