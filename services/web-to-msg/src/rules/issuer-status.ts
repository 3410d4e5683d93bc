import { type Clock, Pace } from '@blockhub/clock';
import { quote } from '@blockhub/errors';
import type { Health, Logger } from '@blockhub/telemetry';
import type { KeySet } from './key-set.ts';

/** Time between two log lines about the same fault. */
const LOG_AGAIN_MS = 60_000;
/** Characters of an issuer that a message shows. */
const MAX_ISSUER = 200;
const CHECK = 'jwt-issuer';

/** Both issuers, and their difference if it is small. They must be equal (RFC 7519, 4.1.1). */
export function explainIssuers(expected: string, got: unknown): string {
  const hint = typeof got === 'string' ? hintOf(expected, got) : undefined;
  return `expected the issuer ${quote(expected, MAX_ISSUER)}, got ${quote(got, MAX_ISSUER)}${hint ? `; they differ only in ${hint}` : ''}`;
}

function hintOf(expected: string, got: string): string | undefined {
  const same = (change: (text: string) => string): boolean => change(expected) === change(got);
  if (same((text) => text.trim())) return 'blanks around it';
  if (same((text) => text.replace(/\/+$/, ''))) return 'the slash at the end';
  if (same((text) => text.replace(/^https?:/i, ''))) return 'http and https';
  if (same((text) => text.toLowerCase())) return 'capital letters';
  const plain = (text: string): string =>
    (URL.canParse(text) ? new URL(text).href : text)
      .toLowerCase()
      .replace(/^https?:\/\//, '')
      .replace(/\/+$/, '');
  return same(plain) || same((text) => plain(`https://${text.replace(/^https?:\/\//i, '')}`)) ? 'how the same address is spelt' : undefined;
}

/** The discovery document belongs to another issuer. The operator must correct the settings. */
export class IssuerMismatch extends Error {}

interface Parts {
  readonly issuer: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Health;
}

/** Reports the JWT issuer on /readyz, and in the log once a minute. */
export class IssuerStatus {
  readonly #parts: Parts;
  readonly #pace: Pace;
  #keys = 'its keys are not read yet';
  #foreign = '';
  #ok = true;
  #hasKeys = false;
  #failing = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.clock, LOG_AGAIN_MS);
  }

  /** The keys were read. `changed` is true if they are not the same as before. */
  read(set: KeySet, changed: boolean): void {
    const { issuer, log, clock } = this.#parts;
    if (this.#failing) log.info({ issuer }, 'keys of the JWT issuer can be read again');
    if (changed)
      log.info(
        { issuer, kids: set.kids.slice(0, 20) },
        this.#hasKeys ? 'keys of the JWT issuer have changed' : 'keys of the JWT issuer were read',
      );
    if (changed && set.ignored.length > 0)
      log.warn({ issuer, ignored: set.ignored.slice(0, 20) }, 'some keys of the JWT issuer cannot be used');
    [this.#failing, this.#hasKeys, this.#ok] = [false, true, true];
    this.#keys = `${set.size} ${set.size === 1 ? 'key' : 'keys'}, read at ${new Date(clock.now()).toISOString()}`;
    this.#show();
  }

  /** Not ready only if keys never were read and the issuer is another one: a wrong setting. */
  failed(error: Error): void {
    const { issuer, log } = this.#parts;
    this.#failing = true;
    this.#ok = this.#hasKeys || !(error instanceof IssuerMismatch);
    this.#keys = `${this.#hasKeys ? 'the last keys are used: ' : 'its keys cannot be read: '}${error.message}`;
    if (this.#pace.pass('failed') > 0) log.warn({ issuer, reason: error.message }, 'keys of the JWT issuer cannot be read');
    this.#show();
  }

  /** A JWT of another issuer was refused. @param got its claim `iss` */
  foreign(got: unknown): void {
    const { issuer, log, clock } = this.#parts;
    const reason = explainIssuers(issuer, got);
    if (this.#pace.pass('foreign') === 0) return;
    log.warn({ issuer, reason }, 'a JWT of another issuer was refused');
    this.#foreign = `; a JWT was refused at ${new Date(clock.now()).toISOString()}: ${reason}`;
    this.#show();
  }

  #show(): void {
    this.#parts.health.set(CHECK, this.#ok, `${this.#parts.issuer}: ${this.#keys}${this.#foreign}`);
  }
}
