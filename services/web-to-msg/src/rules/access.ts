import { chainText } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import { noAddress } from '../http/client.ts';
import { before } from '../publish/deadline.ts';
import { findJwtAccess } from './access-jwt.ts';
import { findKeyAccess } from './access-keys.ts';
import { findTokenAccess } from './access-tokens.ts';
import type { AccessMethod } from './credential.ts';
import { countHeader } from './headers.ts';
import type { Head, MakeRule, RuleContext, Verdict } from './rule.ts';

/**
 * Who may append, and to which chain (CAP-5). Where several kinds of credentials are taken, the first one that a request has decides, in the
 * order token, API key, JWT: a wrong one is never made good by another.
 */
export const accessRule: MakeRule = (context) => {
  const methods = [findTokenAccess(context), findKeyAccess(context), findJwtAccess(context)].filter((method) => method !== undefined);
  if (methods.length === 0) return undefined;
  return {
    name: 'access',
    start() {
      for (const method of methods) method.start?.();
    },
    head(head) {
      // Node keeps the first of several, a proxy before it may have kept the last.
      if (countHeader(head, 'authorization') > 1)
        return new BlockhubError('REQUEST_INVALID', 'There is more than one Authorization header.');
      for (const method of methods) {
        const credential = method.credential(head);
        if (credential !== undefined) return inTime(context, judge(context, head, method, credential));
      }
      const { tokenParameter } = context.settings;
      return new BlockhubError('ACCESS_REQUIRED', 'The request has no token, API key or JWT that is taken here.', {
        ...(tokenParameter !== undefined && {
          fix: `Send the token in the query parameter ${tokenParameter} or in x-token, or send Authorization: Bearer with an API key or JWT.`,
        }),
      });
    },
  };
};

async function judge(context: RuleContext, { chain, client }: Head, method: AccessMethod, credential: string): Promise<Verdict> {
  const access = await method.check(credential);
  if (access instanceof BlockhubError) return access;
  const { subject, chains, sources } = access;
  const { ip } = client;
  if (sources && !sources.hasPeer(ip)) {
    const why =
      ip === '' ? `${subject} may be used from some addresses only. ${noAddress(client)}` : `${subject} may not be used from ${ip}.`;
    return new BlockhubError('ACCESS_FORBIDDEN', why, { details: { subject, ip } });
  }
  if (chains === undefined || names(chains, chain) || (await isOneOf(context, chain, chains))) return { subject };
  return new BlockhubError('ACCESS_FORBIDDEN', `${subject} may not append to the chain ${JSON.stringify(chain)}.`, {
    details: { subject, chain },
  });
}

/** Whether the list has the id or name; ids are compared as numbers are, however they are written. */
function names(chains: readonly string[], nameOrId: string): boolean {
  if (chains.includes(nameOrId)) return true;
  const wanted = chainText(nameOrId);
  return chains.some((one) => chainText(one) === wanted);
}

/** A chain that does not exist is none of them: who may not append to it need not know. */
async function isOneOf({ chains: known }: RuleContext, nameOrId: string, chains: readonly string[]): Promise<boolean> {
  try {
    const { id, name } = known.peek(nameOrId) ?? (await known.get(nameOrId));
    return names(chains, id) || (name !== undefined && names(chains, name));
  } catch (error) {
    if (hasCode(error, 'CHAIN_NOT_FOUND') || hasCode(error, 'REQUEST_INVALID')) return false;
    throw error;
  }
}

/** A sender waits for no store and no issuer longer than for a confirm. */
const inTime = ({ clock, settings }: RuleContext, judging: Promise<Verdict>): Promise<Verdict> =>
  before(
    clock,
    clock.ticks() + settings.confirmTimeout,
    judging,
    () => new BlockhubError('ACCESS_UNAVAILABLE', 'Nobody said in time whether the sender may append.'),
  );
