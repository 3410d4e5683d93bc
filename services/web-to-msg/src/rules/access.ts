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
 * Which senders may append to which chains (CAP-5). The first credential decides, even if it is
 * wrong, in the order token, API key, JWT.
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
      // Node keeps the first of several, but a proxy may have checked the last.
      if (countHeader(head, 'authorization') > 1)
        return new BlockhubError('REQUEST_INVALID', 'The request has more than one Authorization header.');
      for (const method of methods) {
        const credential = method.credential(head);
        if (credential !== undefined) return inTime(context, judge(context, head, method, credential));
      }
      const { tokenParameter } = context.settings;
      return new BlockhubError('ACCESS_REQUIRED', 'The request has no token, API key or JWT of a kind that is accepted here.', {
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

/** True if the list has the id or name. The spelling of an id does not matter. */
function names(chains: readonly string[], nameOrId: string): boolean {
  if (chains.includes(nameOrId)) return true;
  const wanted = chainText(nameOrId);
  return chains.some((one) => chainText(one) === wanted);
}

/** An unknown chain is not in the list, so a refused sender does not learn that it is unknown. */
async function isOneOf({ chains: known }: RuleContext, nameOrId: string, chains: readonly string[]): Promise<boolean> {
  try {
    const { id, name } = known.peek(nameOrId) ?? (await known.get(nameOrId));
    return names(chains, id) || (name !== undefined && names(chains, name));
  } catch (error) {
    if (hasCode(error, 'CHAIN_NOT_FOUND') || hasCode(error, 'REQUEST_INVALID')) return false;
    throw error;
  }
}

/** A request waits for the store or the issuer at most as long as for a confirm. */
const inTime = ({ clock, settings }: RuleContext, judging: Promise<Verdict>): Promise<Verdict> =>
  before(
    clock,
    clock.ticks() + settings.confirmTimeout,
    judging,
    () => new BlockhubError('ACCESS_UNAVAILABLE', 'The credentials could not be checked in time.'),
  );
