import type { Broker } from '@blockhub/broker';
import { MemoryBroker } from '@blockhub/broker';
import { type Cancel, type Clock, VirtualClock } from '@blockhub/clock';
import { type FaultPlan, type FaultRates, type Random, seededPlan, seededRandom } from '@blockhub/faults';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, openStore, type Store } from '@blockhub/store';

/**
 * Maximum error of a process's clock at its start, and after each step: a usual one, or a far one.
 */
const MOST_DRIFT_MS = 2_000;
const MOST_STEP_MS = 20_000;
export const MOST_FAR_STEP_MS = 3_600_000;
const STEP_WITHIN_MS = 5_000;

/** Everything outside of processes: time, chance, one broker, one bucket, one registry. */
export interface World {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly broker: MemoryBroker;
  readonly store: MemoryStore;
  readonly registry: MemoryRegistry;
  readonly plan: FaultPlan;
  /** Ends the time with faults. Delays stay. */
  calmDown(): void;
  /** Each crashes one of the running processes. */
  readonly kills: Set<() => void>;
  readonly faults: { count: number; crashes: number };
}

export function createWorld(seed: number, rates: FaultRates): World {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  let active = true;
  const faults = { count: 0, crashes: 0 };
  const drawn = seededPlan(seededRandom(seed ^ 0x5bd1e995), rates, () => active);
  const plan: FaultPlan = {
    random: drawn.random,
    decide(effect) {
      const decision = drawn.decide(effect);
      if (decision.outcome !== 'ok') faults.count++;
      return decision;
    },
    chance(fault) {
      const happens = drawn.chance(fault);
      if (happens) faults.count++;
      return happens;
    },
  };
  return {
    clock,
    random,
    plan,
    faults,
    broker: new MemoryBroker({ clock, random: seededRandom(seed ^ 0x27d4eb2f) }),
    store: new MemoryStore({ clock }),
    registry: new MemoryRegistry(),
    kills: new Set(),
    calmDown: () => {
      active = false;
    },
  };
}

/**
 * The world as one process sees it. After a crash, none of its requests is answered and none of its
 * timers run.
 */
export interface Process {
  readonly clock: Clock;
  readonly broker: Broker;
  readonly store: Store;
  readonly random: Random;
}

export async function startProcess(world: World, name: string, onCrash: () => void): Promise<Process> {
  let dead = false;
  const timers = new Set<Cancel>();
  /** Node keeps a composite signal, and all that its listeners refer to, while it has listeners. */
  const watches = new Set<Cancel>();
  // Clocks of machines differ and are set now and then, so that events reach a chain out of order.
  let aheadMs = Math.round((world.random() - 0.5) * 2 * MOST_DRIFT_MS);
  const setClock = (): void => {
    if (dead) return;
    const mostMs = world.plan.chance('far-step') ? MOST_FAR_STEP_MS : MOST_STEP_MS;
    aheadMs = Math.round((world.random() - 0.5) * 2 * mostMs);
    world.clock.after(world.random() * STEP_WITHIN_MS, setClock);
  };
  world.clock.after(world.random() * STEP_WITHIN_MS, setClock);
  const clock: Clock = {
    now: () => world.clock.now() + aheadMs,
    ticks: () => world.clock.ticks(),
    after(ms, run) {
      if (dead) return () => {};
      const cancel = world.clock.after(ms, () => {
        timers.delete(cancel);
        run();
      });
      timers.add(cancel);
      return () => {
        timers.delete(cancel);
        cancel();
      };
    },
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const forget = clock.after(ms, () => end());
        const end = (): void => {
          unwatch();
          forget();
          resolve();
        };
        const unwatch = (): void => {
          watches.delete(unwatch);
          signal?.removeEventListener('abort', end);
        };
        if (dead) return;
        watches.add(unwatch);
        signal?.addEventListener('abort', end);
      });
    },
  };
  const crash = (): void => {
    if (dead) return;
    kill();
    world.faults.crashes++;
    onCrash();
  };
  const broker = world.broker.connect({ plan: world.plan, crash, name });
  const driver = world.store.driver({ plan: world.plan, crash });
  const random = seededRandom(Math.floor(world.random() * 2 ** 32));
  const store = await openStore('memory:', { clock, random, drivers: { memory: () => driver } });
  const kill = (): void => {
    dead = true;
    broker.kill();
    driver.kill();
    for (const cancel of timers) cancel();
    for (const unwatch of watches) unwatch();
    timers.clear();
    world.kills.delete(kill);
  };
  world.kills.add(kill);
  return {
    clock,
    broker,
    store,
    random,
  };
}
