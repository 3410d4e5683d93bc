import { findKey, isSecretOf, type KnownKey, parseKey } from '@blockhub/access';
import { Cache } from '@blockhub/cache';
import { BlockhubError } from '@blockhub/errors';
import { type Access, type AccessMethod, bearerOf, denied } from './credential.ts';
import type { RuleContext } from './rule.ts';

const REMEMBERED = 10_000;
/** Keys that are looked up in the store at a time. Invented ids must not fill its queue. */
const MAX_LOOKUPS = 16;

/** Keys as of `apiKeyRefresh`. Invented ids are not cached: they would evict real keys. */
class KeyCache {
  readonly #context: RuleContext;
  readonly #known = new Cache<string, { readonly key: KnownKey; readonly until: number }>(REMEMBERED);
  readonly #asked = new Map<string, Promise<KnownKey | undefined>>();

  constructor(context: RuleContext) {
    this.#context = context;
  }

  peek(id: string): KnownKey | undefined {
    const known = this.#known.get(id);
    return known && known.until > this.#context.clock.ticks() ? known.key : undefined;
  }

  /** Throws CAPTURE_BUSY, or the store's error if the store does not answer. */
  find(id: string): Promise<KnownKey | undefined> {
    const asked = this.#asked.get(id);
    if (asked) return asked;
    if (this.#asked.size >= MAX_LOOKUPS) throw new BlockhubError('CAPTURE_BUSY', 'Too many API keys are being looked up.');
    const answer = this.#look(id).finally(() => this.#asked.delete(id));
    this.#asked.set(id, answer);
    return answer;
  }

  async #look(id: string): Promise<KnownKey | undefined> {
    const { clock, settings, store } = this.#context;
    // The record is as old as the begin of the read.
    const until = clock.ticks() + settings.apiKeyRefresh;
    const key = await findKey(store, id);
    if (!key) return undefined;
    this.#known.set(id, { key, until });
    return key;
  }
}

/** API keys (`blockhub keys`) in x-api-key or as Bearer. */
export function findKeyAccess(context: RuleContext): AccessMethod | undefined {
  if (!context.settings.apiKeys) return undefined;
  const keys = new KeyCache(context);
  return {
    credential(head) {
      const bearer = bearerOf(head);
      return head.headers['x-api-key']?.toString() ?? (bearer?.startsWith('bh_') ? bearer : undefined);
    },
    async check(credential) {
      const given = parseKey(credential);
      const known = given && (keys.peek(given.id) ?? (await keys.find(given.id)));
      // One answer for a wrong id and a wrong secret: it does not show which keys exist.
      if (!known || !isSecretOf(known.record, given.secret)) return denied('The API key is unknown.');
      return accessOf(known, context.clock.now());
    },
  };
}

function accessOf({ record, sources, revoked }: KnownKey, now: number): Access | BlockhubError {
  if (revoked) return denied('The API key was revoked.');
  if (record.expiresAt !== undefined && record.expiresAt <= now) return denied('The API key has expired.');
  return { subject: `key:${record.id}`, ...(record.chains ? { chains: record.chains } : {}), ...(sources && { sources }) };
}
