import type { BrokerState } from './types.ts';

export class StateHolder {
  readonly #listeners = new Set<(state: BrokerState) => void>();
  #state: BrokerState;

  constructor(first: BrokerState = 'connected') {
    this.#state = first;
  }

  get now(): BrokerState {
    return this.#state;
  }

  set(state: BrokerState): void {
    if (state === this.#state || this.#state === 'closed') return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  onChange(listener: (state: BrokerState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
