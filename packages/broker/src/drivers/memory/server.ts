import type { Clock } from '@blockhub/clock';
import type { FaultPlan, Random } from '@blockhub/faults';
import type { Broker } from '../../types.ts';

export interface ConnectOptions {
  readonly plan?: FaultPlan;
  readonly crash?: () => void;
  readonly name?: string;
}
export interface MemoryConnection extends Broker {
  kill(): void;
}
export class MemoryBroker {
  constructor(_options: { clock: Clock; random?: Random }) {}
  connect(_options: ConnectOptions = {}): MemoryConnection {
    throw new Error('not yet');
  }
}
