import { MemoryBroker } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { failureClasses, storeOperations } from '@blockhub/store';
import { createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { storeMeters, watchBroker } from './connection-meters.ts';

test('a lost connection is counted and seen', async () => {
  const metrics = createMetrics();
  const connection = new MemoryBroker({ clock: new VirtualClock() }).connect();
  watchBroker(connection, metrics);
  connection.disconnect();
  const lines = (await metrics.text()).split('\n');
  expect(lines).toContain('blockhub_broker_lost_total 1');
  expect(lines).toContain('blockhub_broker_state{state="connected"} 0');
  expect(lines).toContain('blockhub_broker_state{state="disconnected"} 1');
});

test('what a store refuses is counted by its kind, from 0 on', async () => {
  const metrics = createMetrics();
  const { onAnswer } = storeMeters(metrics);
  const before = (await metrics.text()).split('\n');
  for (const operation of storeOperations)
    for (const kind of failureClasses) expect(before).toContain(`blockhub_store_errors_total{operation="${operation}",kind="${kind}"} 0`);
  for (const operation of storeOperations) expect(before).toContain(`blockhub_store_requests_total{operation="${operation}"} 0`);
  onAnswer?.('create', 250, undefined);
  onAnswer?.('create', 250, 'denied');
  const lines = (await metrics.text()).split('\n');
  expect(lines).toContain('blockhub_store_errors_total{operation="create",kind="denied"} 1');
  expect(lines).toContain('blockhub_store_request_seconds_sum{operation="create"} 0.5');
});
