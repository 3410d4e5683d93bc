/**
 * The words of this folder:
 * - **rule**: one reason to take or to refuse a request; a value with a function in it, there only when its settings ask for it.
 * - **head**: all of a request but its body. Rules that can look at it alone are asked before the body is read.
 * - **verdict**: what a rule says of a request, see `Verdict`.
 * - **found**: what rules learned and goes into the meta, such as who sent it.
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

/** A request before its body. */
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
 * | verdict               | means                                                           |
 * | --------------------- | --------------------------------------------------------------- |
 * | nothing               | passed                                                          |
 * | meta                  | passed, and this was found                                      |
 * | an error              | refused; the sender gets it                                     |
 * | a thrown error        | nobody can tell now: the sender gets it, never an acceptance    |
 */
export type Verdict = Meta | BlockhubError | undefined;

export interface Rule {
  /** For metrics and reports. */
  readonly name: string;
  /** Asked before the body is read. */
  head?(head: Head): Verdict | Promise<Verdict>;
  /** Asked when the body is there. */
  body?(head: Head, body: Buffer): Verdict | Promise<Verdict>;
  /** Called once when requests are taken. */
  start?(): void;
}

/** What rules are made from. */
export interface RuleContext {
  readonly settings: CaptureSettings;
  readonly clock: Clock;
  readonly store: Store;
  readonly chains: Chains;
  readonly log: Logger;
  readonly health: Health;
  /** Notes a mistake in the settings; with one or more the start is refused. A secret never stands in it. */
  mistake(setting: string, what: string): void;
}

/** Gives a rule, or nothing where the settings do not ask for it. */
export type MakeRule = (context: RuleContext) => Rule | undefined;
