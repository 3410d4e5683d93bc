import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { quote } from '@blockhub/errors';

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(?:\[[0-9a-f:.]+\]|[^\s/?#@[\]:*,]+)(?::[0-9]{1,5})?$/;
const MAX_AGE_SECONDS = '600';
const MAX_HEADERS = 2000;
const HEADER_LIST = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/;
/** Headers of an answer that pages may read. */
const EXPOSED = 'Retry-After, Allow, Location';

/** Which pages of browsers may send and read the answer (CORS protocol of the Fetch standard). */
export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #any: boolean;

  private constructor(origins: ReadonlySet<string>) {
    this.#origins = origins;
    this.#any = origins.has('*');
  }

  /** Undefined if no origin is given: answers have no CORS headers then. */
  static of(given: readonly string[], mistake: (what: string) => void): Cors | undefined {
    return given.length === 0 ? undefined : new Cors(new Set(given.map((text) => originOf(text, mistake))));
  }

  /** The headers of every answer, also of errors, except the answer to a preflight. */
  answer({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    const allowed = this.#allow(origin);
    return { ...(this.#varies ? { vary: 'Origin' } : {}), ...allowed, ...(allowed && { 'access-control-expose-headers': EXPOSED }) };
  }

  /** The headers of the answer to a preflight. @param methods of the route */
  preflight(headers: IncomingHttpHeaders, methods: string): OutgoingHttpHeaders {
    const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network';
    const allowed = this.#allow(headers.origin);
    if (!allowed) return { vary };
    const asked = headers['access-control-request-headers'];
    const isList = typeof asked === 'string' && asked.length <= MAX_HEADERS && HEADER_LIST.test(asked);
    return {
      vary,
      ...allowed,
      'access-control-allow-methods': methods,
      // The names are repeated, because `*` does not include Authorization.
      ...(isList && { 'access-control-allow-headers': asked }),
      ...(headers['access-control-request-private-network'] === 'true' && { 'access-control-allow-private-network': 'true' }),
      'access-control-max-age': MAX_AGE_SECONDS,
    };
  }

  /** True if another origin would get other headers. */
  get #varies(): boolean {
    return !this.#any || this.#origins.size > 1;
  }

  /**
   * Only a listed origin may send credentials, as `navigator.sendBeacon` does. Files and sandboxes
   * have the origin `null`, which `*` does not include.
   */
  #allow(origin: string | undefined): OutgoingHttpHeaders | undefined {
    if (origin === undefined || origin === '*') return undefined;
    if (this.#origins.has(origin)) {
      const credentials = origin === 'null' ? {} : { 'access-control-allow-credentials': 'true' };
      return { 'access-control-allow-origin': origin, ...credentials };
    }
    return this.#any && origin !== 'null' ? { 'access-control-allow-origin': '*' } : undefined;
  }
}

/** The origin as browsers write it: in lower case, without the default port of its scheme. */
function originOf(text: string, mistake: (what: string) => void): string {
  if (text === '*' || text === 'null') return text;
  const lower = text.toLowerCase().replace(/\/$/, '');
  const origin = /^https?:/.test(lower) && URL.canParse(lower) ? new URL(lower).origin : lower;
  if (!ORIGIN.test(lower) || origin === 'null')
    mistake(`${quote(text)} is not an origin; expected only a scheme, host and port, such as https://shop.example.com, or *`);
  return origin;
}
