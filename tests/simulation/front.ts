import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { type Place, place } from '@blockhub/mesh';
import { defaults } from '@blockhub/settings';
import { Appender, type Captured, type CaptureRequest, MemoryDisk, type SpoolDisk, worker as webToMsg } from '@blockhub/web-to-msg';
import type { World } from './world.ts';

/**
 * The answer that a sender gets. Status 0 if the connection was reset, or if there was no answer in
 * time.
 */
export interface Answer {
  readonly status: number;
  readonly code?: string;
  /** What the answer says beside its code. */
  readonly detail?: string;
  readonly receipt?: Captured['receipt'];
}

const RESET: Answer = { status: 0, code: 'reset' };
/** No answer on an open connection. Capture promises an answer in time. */
const NOTHING: Answer = { status: 0, code: 'nothing' };

/** Maximum delay of a request, and of an answer. */
const TRAVEL_MS = 20;

/** Small limits, so that a few bytes are a large body, and broker and store are often too slow. */
const settings = defaults(webToMsg.settings, { messageLimit: 256, confirmTimeout: 100, spoolTimeout: 100 });

/** Capture waits for store and broker together, then for its spool. */
const PATIENCE_MS = settings.confirmTimeout + settings.spoolTimeout + 2 * TRAVEL_MS + 10;

interface Listener {
  readonly appender: Appender;
  /** Each ends a connection that waits for an answer. */
  readonly open: Set<(answer: Answer) => void>;
}

/**
 * Replaces sockets and a load balancer. While an instance of capture runs, it has a listener; its
 * crash resets the connections that are open there.
 */
export class Front {
  readonly #world: World;
  readonly #listeners = new Map<string, Listener>();
  /**
   * Disks of the spools, by instance without its generation: the next process of an instance finds
   * the same disk.
   */
  readonly #disks = new Map<string, MemoryDisk>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The place, changed so that capture serves its listener instead of sockets. */
  serve(one: Place): Place {
    if (one.worker.name !== webToMsg.name) return one;
    const worker = {
      ...webToMsg,
      setup: (context: Parameters<typeof Appender.open>[0]) => Appender.open(context, this.#disk(context.instance, context.clock)),
      serve: async ({ instance, state }: { readonly instance: string; readonly state: Appender }) => {
        this.#listeners.set(instance, { appender: state, open: new Set() });
        return { close: async () => this.crash(instance) };
      },
    };
    return place(worker, settings);
  }

  /** Called when the process of an instance crashes. */
  crash(instance: string): void {
    for (const end of this.#listeners.get(instance)?.open ?? []) end(RESET);
    this.#listeners.delete(instance);
    this.#disks.get(placeOf(instance))?.crash();
  }

  /** Instances with requests that the broker has not confirmed. */
  get spooling(): string[] {
    return [...this.#listeners].filter(([, { appender }]) => !appender.isDrained).map(([instance]) => instance);
  }

  #disk(instance: string, clock: Clock): SpoolDisk {
    const place = placeOf(instance);
    const disk = this.#disks.get(place) ?? new MemoryDisk({ plan: this.#world.plan });
    this.#disks.set(place, disk);
    return disk.open(clock);
  }

  /** Sends one request, once, to a running instance. */
  async send(request: CaptureRequest): Promise<Answer> {
    const { clock, plan, random } = this.#world;
    while (this.#listeners.size === 0) await clock.sleep(50);
    const listener = [...this.#listeners.values()][Math.floor(random() * this.#listeners.size)] as Listener;
    const { promise, resolve: end } = Promise.withResolvers<Answer>();
    listener.open.add(end);
    const patience = clock.after(PATIENCE_MS, () => end(NOTHING));
    const travel = (): Promise<void> => clock.sleep(random() * TRAVEL_MS);
    void travel().then(async () => {
      if (!listener.open.has(end)) return;
      const answer = await answerOf(listener.appender, request);
      await travel();
      end(plan.chance('reset') ? RESET : answer);
    });
    const answer = await promise;
    patience();
    listener.open.delete(end);
    return answer;
  }
}

/** The part of an instance's name that is the same after a restart. */
const placeOf = (instance: string): string => instance.slice(0, instance.lastIndexOf('.'));

const answerOf = (appender: Appender, request: CaptureRequest): Promise<Answer> =>
  appender.append(request).then(
    ({ receipt, safeIn }) => ({ status: safeIn === 'broker' ? 201 : 202, receipt }),
    (error: unknown) =>
      error instanceof BlockhubError ? { status: error.status, code: error.code } : { status: 500, code: String(error) },
  );
