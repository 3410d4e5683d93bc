import type { Broker, BrokerState } from '@blockhub/broker';
import type { StoreOptions } from '@blockhub/store';
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
    'Requests to the store that failed: `denied` and `full` by its word, `transient` and `unknown` ones are tried again.',
    ['operation', 'kind'],
  );
  return {
    onRequest: (operation) => requests.labels({ operation }).add(),
    onAnswer(operation, ms, kind) {
      seconds.labels({ operation }).observe(ms / 1000);
      if (kind) errors.labels({ operation, kind }).add();
    },
  };
}

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
