import type { Clock } from '@blockhub/clock';
import type { Broker, BrokerLog } from '../../types.ts';

export interface SqliteBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  readonly fileBytes?: number;
}
export async function openSqliteBroker(_path: string, _options: SqliteBrokerOptions = {}): Promise<Broker> {
  throw new Error('not yet');
}
