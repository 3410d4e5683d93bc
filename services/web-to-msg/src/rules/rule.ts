/**
 * The words of this folder:
 * - **rule**: one reason to accept or refuse a request. It exists only if its settings are set.
 * - **head**: a request without its body. Rules of the head run before the body is read.
 * - **found**: what the rules found for the meta, such as the subject of the sender.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Meta } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import type { Health, Logger } from '@blockhub/telemetry';
import type { Chains } from '../capture/chains.ts';
import type { Client } from '../http/client.ts';
import type { CaptureSettings } from '../settings.ts';

export interface Head {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  /** Id or name of the chain that the path names. */
  readonly chain: string;
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly client: Client;
  /** Filled by the rules, in their order. */
  readonly found: Meta;
}

/**
 * | verdict        | means                                                        |
 * | -------------- | ------------------------------------------------------------ |
 * | undefined      | the request passes                                           |
 * | meta           | the request passes, and this was found                       |
 * | an error       | the request is refused with this error                       |
 * | a thrown error | the rule cannot decide now: the sender gets this error       |
 */
export type Verdict = Meta | BlockhubError | undefined;

export interface Rule {
  /** For metrics and reports. */
  readonly name: string;
  /** Called before the body is read. */
  head?(head: Head): Verdict | Promise<Verdict>;
  /** Called when the body is in memory. */
  body?(head: Head, body: Buffer): Verdict | Promise<Verdict>;
  /** Called once when the server accepts requests. */
  start?(): void;
}

export interface RuleContext {
  readonly settings: CaptureSettings;
  readonly clock: Clock;
  readonly store: Store;
  readonly chains: Chains;
  readonly log: Logger;
  readonly health: Health;
  /** Notes a mistake in the settings, without secrets. The service does not start then. */
  mistake(setting: string, what: string): void;
}

/** Creates a rule, or returns undefined if its settings are not set. */
export type MakeRule = (context: RuleContext) => Rule | undefined;
