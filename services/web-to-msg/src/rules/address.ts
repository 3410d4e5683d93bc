import { AddressSet, parsePeer } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import { noAddress } from '../http/client.ts';
import type { MakeRule } from './rule.ts';

/**
 * Which addresses may send (CAP-6): those in `allowIps`, if it is set, and not in `blockIps`. A
 * request without an address is refused.
 */
export const addressRule: MakeRule = ({ settings, mistake }) => {
  const { allowIps, blockIps } = settings;
  if (allowIps.length === 0 && blockIps.length === 0) return undefined;
  const allowed = new AddressSet(allowIps, (what) => mistake('allowIps', what));
  const blocked = new AddressSet(blockIps, (what) => mistake('blockIps', what));
  return {
    name: 'address',
    head({ client }) {
      const address = parsePeer(client.ip);
      if (address === undefined) return new BlockhubError('ADDRESS_FORBIDDEN', noAddress(client));
      if (!blocked.has(address) && (allowIps.length === 0 || allowed.has(address))) return undefined;
      return new BlockhubError('ADDRESS_FORBIDDEN', `Requests from the address ${client.ip} are not accepted.`, {
        details: { ip: client.ip },
      });
    },
  };
};
