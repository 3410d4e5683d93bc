import { networkOf, parsePeer } from '@blockhub/access';
import { BlockhubError, quote } from '@blockhub/errors';
import { noAddress } from '../http/client.ts';
import type { Head, MakeRule, Rule, RuleContext } from './rule.ts';
import { parseLimit, Throttle } from './throttle.ts';

type ThrottleSetting = 'throttleIp' | 'throttleKey' | 'throttleAll';

/** Limits of requests (CAP-11): of one address, of one sender, of all. */
function throttleRule(
  { settings, clock, mistake }: RuleContext,
  by: ThrottleSetting,
  name: string,
  whose: string,
  senderOf: SenderOf,
): Rule | undefined {
  const text = settings[by];
  if (text === undefined) return undefined;
  const limit = parseLimit(text);
  if (!limit) {
    mistake(by, `expected a number of requests in a second, minute or hour, such as 100/s, 5000/m or 20/h, got ${quote(text)}`);
    return undefined;
  }
  const throttle = new Throttle(clock, limit);
  return {
    name,
    head(head) {
      const sender = senderOf(head);
      const wait = sender === undefined ? 0 : throttle.take(sender);
      if (wait === 0) return undefined;
      const message = `Over the limit of ${text} ${whose} (--${name}).`;
      return new BlockhubError('THROTTLED', message, { details: { retryAfterMs: wait } });
    },
  };
}

type SenderOf = (head: Head) => string | undefined;

/** A request without an address is refused, because it cannot be counted. */
export const throttleIpRule: MakeRule = (context) => {
  const senderOf: SenderOf = ({ client }) => {
    const address = parsePeer(client.ip);
    return address && networkOf(address);
  };
  const rule = throttleRule(context, 'throttleIp', 'throttle-ip', 'of one address', senderOf);
  return (
    rule && {
      name: rule.name,
      head: (head) => (senderOf(head) === undefined ? new BlockhubError('ADDRESS_FORBIDDEN', noAddress(head.client)) : rule.head?.(head)),
    }
  );
};

/** A request without a subject is not counted here; the other limits apply to it. */
export const throttleKeyRule: MakeRule = (context) =>
  throttleRule(context, 'throttleKey', 'throttle-key', 'of one key', ({ found }) => found.subject?.toString());

export const throttleAllRule: MakeRule = (context) => throttleRule(context, 'throttleAll', 'throttle-all', 'of all requests', () => 'all');
