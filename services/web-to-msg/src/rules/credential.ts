import type { AddressSet } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import type { Head } from './rule.ts';

/** Who a credential belongs to, and what it is good for. */
export interface Access {
  /** For the meta of what is captured, such as `key:0123456789abcdef`. */
  readonly subject: string;
  /** Chains by id or name; every chain when absent. */
  readonly chains?: readonly string[];
  /** Where requests may come from; everywhere when absent. */
  readonly sources?: AddressSet;
}

/** One kind of credential. */
export interface AccessMethod {
  /** The credential of this kind in a request. */
  credential(head: Head): string | undefined;
  /** Gives an error where it is not valid; throws where nobody can tell. */
  check(credential: string): Access | BlockhubError | Promise<Access | BlockhubError>;
  /** Called once when requests are taken, for what takes time and is better begun before the first one. */
  start?(): void;
}

/** What stands behind `Authorization: Bearer`. */
export const bearerOf = ({ headers }: Head): string | undefined => /^Bearer +([^ ]+)$/i.exec(headers.authorization ?? '')?.[1];

export const denied = (why: string): BlockhubError => new BlockhubError('ACCESS_DENIED', why);
