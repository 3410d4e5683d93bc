import type { Tail } from '@blockhub/chain';
import { errorCode, isTransient } from '@blockhub/errors';
import { queues, readTailWanted, writeTail } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { findTail } from '@blockhub/walker';
import { type Context, defineWorker, done } from '@blockhub/worker';

const settings = {
  in: setting.text({ text: 'Queue of requests for tails.', default: queues.wanted.name }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled requests.', default: 200, min: 1, max: 2000 }),
};

/** Searches that run, by chain. Many requests for one chain share a search. */
type Searches = Map<string, Promise<Tail>>;

export const worker = defineWorker({
  name: 'patchblock',
  summary: 'Finds the true tail of a chain in the store, and publishes it to the queue that the request names.',
  settings,
  needs: ['store', 'registry'],
  takes: ({ in: queue, prefetch }) => [{ queue, prefetch }],
  gives: () => [queues.tails.name],
  setup: ({ metrics }) => ({
    searches: new Map() as Searches,
    found: metrics.counter('blockhub_patchblock_tails_total', 'Tails that were found and published.'),
    detached: metrics.counter(
      'blockhub_patchblock_detached_total',
      'Requests for a chain whose tail cannot be found, since the chain is missing or damaged.',
    ),
  }),
  async handle(message, context) {
    const { chain, tailsTo } = readTailWanted(message);
    try {
      const tail = await search(chain, context);
      context.state.found.add();
      return done([writeTail(tailsTo, tail)]);
    } catch (error) {
      if (isTransient(error)) throw error;
      // The request can be acked: msg-merge still holds the groups and repeats it.
      context.state.detached.add();
      context.log.error({ code: errorCode(error), reason: (error as Error).message }, 'chain is detached');
      return done();
    }
  },
});

function search(chain: string, { state, store, registry }: Context<typeof settings, { searches: Searches }>): Promise<Tail> {
  const known = state.searches.get(chain);
  if (known) return known;
  const begun = registry
    .findHint(chain)
    .catch(() => undefined)
    .then((hint) => findTail(store, chain, hint))
    .finally(() => state.searches.delete(chain));
  state.searches.set(chain, begun);
  return begun;
}
