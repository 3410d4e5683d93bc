import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { type Place, place } from '@blockhub/mesh';
import { defaults } from '@blockhub/settings';
import { Appender, type Captured, type CaptureRequest, MemoryDisk, type SpoolDisk, worker as webToMsg } from '@blockhub/web-to-msg';
import type { World } from './world.ts';

/** What a sender learns. Status 0: the connection was reset, or nothing came in time. */
export interface Answer {
  readonly status: number;
  readonly code?: string;
  /** What the answer says beside its code. */
  readonly detail?: string;
  readonly receipt?: Captured['receipt'];
}

const RESET: Answer = { status: 0, code: 'reset' };
/** Nothing came, though the connection held: capture promises an answer in time. */
const NOTHING: Answer = { status: 0, code: 'nothing' };

/** Longest way of a request, and of an answer. */
const TRAVEL_MS = 20;

/** Small, so that a few bytes are a large body, and broker and store are often slower. */
const settings = defaults(webToMsg.settings, { messageLimit: 256, confirmTimeout: 100, spoolTimeout: 100 });

/** Capture waits for store and broker together, then for its spool. */
const PATIENCE_MS = settings.confirmTimeout + settings.spoolTimeout + 2 * TRAVEL_MS + 10;

interface Listener {
  readonly appender: Appender;
  /** Ends of connections that wait for an answer. */
  readonly open: Set<(answer: Answer) => void>;
}

/**
 * Takes the place of sockets and a load balancer. An instance of capture has a listener while it runs,
 * and its crash resets the connections that are open there.
 */
export class Front {
  readonly #world: World;
  readonly #listeners = new Map<string, Listener>();
  /** Of the spools, by the place of an instance: the next life of it finds the same disk. */
  readonly #disks = new Map<string, MemoryDisk>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The place itself. Capture serves its listener instead of sockets. */
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

  /** The process of an instance died. */
  crash(instance: string): void {
    for (const end of this.#listeners.get(instance)?.open ?? []) end(RESET);
    this.#listeners.delete(instance);
    this.#disks.get(placeOf(instance))?.crash();
  }

  /** Instances that hold what the broker has not confirmed. */
  get spooling(): string[] {
    return [...this.#listeners].filter(([, { appender }]) => !appender.isDrained).map(([instance]) => instance);
  }

  #disk(instance: string, clock: Clock): SpoolDisk {
    const place = placeOf(instance);
    const disk = this.#disks.get(place) ?? new MemoryDisk({ plan: this.#world.plan });
    this.#disks.set(place, disk);
    return disk.open(clock);
  }

  /** One request, sent once, to any instance that is up. */
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

/** What stays the same from life to life. */
const placeOf = (instance: string): string => instance.slice(0, instance.lastIndexOf('.'));

const answerOf = (appender: Appender, request: CaptureRequest): Promise<Answer> =>
  appender.append(request).then(
    ({ receipt, safeIn }) => ({ status: safeIn === 'broker' ? 201 : 202, receipt }),
    (error: unknown) =>
      error instanceof BlockhubError ? { status: error.status, code: error.code } : { status: 500, code: String(error) },
  );
