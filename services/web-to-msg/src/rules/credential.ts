import type { AddressSet } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import type { Head } from './rule.ts';

/** The sender of a credential, and what it may do. */
export interface Access {
  /** For the meta of the event, such as `key:0123456789abcdef`. */
  readonly subject: string;
  /** Ids or names of the chains that it may append to. If absent, all chains. */
  readonly chains?: readonly string[];
  /** Addresses that it may be used from. If absent, all addresses. */
  readonly sources?: AddressSet;
}

export interface AccessMethod {
  credential(head: Head): string | undefined;
  /** Returns an error if the credential is not valid. Throws if it cannot be checked now. */
  check(credential: string): Access | BlockhubError | Promise<Access | BlockhubError>;
  /** Called once when the server accepts requests, to begin slow work before the first one. */
  start?(): void;
}

export const bearerOf = ({ headers }: Head): string | undefined => /^Bearer +([^ ]+)$/i.exec(headers.authorization ?? '')?.[1];

export const denied = (why: string): BlockhubError => new BlockhubError('ACCESS_DENIED', why);
