import { type At, blobKey, eventTime } from '@blockhub/chain';
import { BlockhubError, isTransient } from '@blockhub/errors';
import type { Message, Outgoing } from '@blockhub/message';
import { done, type Outcome, reject, retry } from '@blockhub/worker';
import { keep } from './keep.ts';
import { packBodies } from './pack.ts';
import { type Checked, checkCapture, Receipts, waitOf } from './receipts.ts';
import type { DeployContext } from './settings.ts';

/** A capture that is being stored. `at` is set as soon as it is stored. */
interface Item extends Checked {
  readonly index: number;
  at: At | undefined;
}

/**
 * Stores small bodies in one pack. A fault of one message refuses only that one. The first good
 * outcome has all receipts, since all messages are confirmed before any delivery is acked.
 */
export async function deployCaptures(messages: readonly Message[], context: DeployContext): Promise<Outcome[]> {
  const outcomes: Outcome[] = messages.map(() => done());
  const items: Item[] = [];
  const latestMs = context.clock.now() + context.settings.maxAhead;
  messages.forEach((message, index) => {
    try {
      context.state.checkMime(message);
      const checked = checkCapture(message);
      const waitMs = waitOf(checked, latestMs);
      if (waitMs > 0) outcomes[index] = tooEarly(checked, waitMs, context);
      else items.push({ ...checked, index, at: checked.capture.at === undefined ? undefined : { key: checked.capture.at } });
    } catch (error) {
      outcomes[index] = refusal(error);
    }
  });
  await store(items, outcomes, context);
  const first = items.find(({ at }) => at);
  if (first) outcomes[first.index] = done(receiptsOf(items, context));
  return outcomes;
}

/** The wait may end before the time of the event, since the clock may be corrected meanwhile. */
function tooEarly({ capture }: Checked, waitMs: number, { clock, settings }: DeployContext): Outcome {
  const ahead = durationText(eventTime(capture.event) - clock.now());
  const allowed = durationText(settings.maxAhead);
  return retry(
    waitMs,
    `the event's time is ${ahead} ahead of this machine's clock, and at most ${allowed} is allowed; it is retried until then`,
    fix,
  );
}

const fix =
  'Correct the clock of the machine that made the event id, or of this one, with NTP. With a longer --max-ahead such events are stored at once.';

const units = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `40 s`, `12 min`, `3 h`. */
function durationText(ms: number): string {
  const [unit, length] = units.find(([, most]) => ms >= 2 * most) ?? units[2];
  return `${Math.ceil(ms / length)} ${unit}`;
}

async function store(items: readonly Item[], outcomes: Outcome[], context: DeployContext): Promise<void> {
  const { pack, ownObject } = context.settings;
  const writes: Promise<void>[] = [];
  const small: Item[] = [];
  for (const item of items) {
    if (item.at) continue;
    if (pack && item.message.body.length < ownObject) small.push(item);
    else writes.push(storeAlone(item, outcomes, context));
  }
  if (small.length > 0) writes.push(storePack(small, context));
  // All writes end before an error is thrown, so that none goes on after its batch failed.
  for (const result of await Promise.allSettled(writes)) if (result.status === 'rejected') throw result.reason;
}

async function storeAlone(item: Item, outcomes: Outcome[], context: DeployContext): Promise<void> {
  const { message, index, capture } = item;
  try {
    // The sha256 even if the chain's hash is md5, since two bodies can be made that share an md5.
    const key = context.state.key?.key(message) ?? blobKey(capture.sha256 ?? capture.hash);
    await keep(context.store, key, message.body, context.settings);
    item.at = { key };
  } catch (error) {
    outcomes[index] = refusal(error);
  }
}

async function storePack(items: readonly Item[], context: DeployContext): Promise<void> {
  const pack = packBodies(items.map(({ message }) => message.body));
  const { readBack } = context.settings;
  await keep(context.store, pack.key, pack.bytes, { rewrite: false, identity: 'bytes', readBack });
  for (const [index, item] of items.entries()) item.at = pack.places[index];
}

/** A permanent error rejects its message only. Any other error is thrown for the whole batch. */
function refusal(error: unknown): Outcome {
  if (!(error instanceof BlockhubError) || isTransient(error)) throw error;
  const { path } = error.details;
  return reject(error.code, error.message, typeof path === 'string' ? path : undefined);
}

function receiptsOf(items: readonly Item[], { settings, state, newEvent }: DeployContext): Outgoing[] {
  if (!state.out) return [];
  const receipts = new Receipts();
  for (const item of items) if (item.at) receipts.add(state.out.queue(item.message, settings), item, item.at);
  return receipts.messages(newEvent);
}
