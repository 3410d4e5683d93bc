import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { quote } from '../quote.ts';

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/(?:\[[0-9a-f:.]+\]|[^\s/?#@[\]:*,]+)(?::[0-9]{1,5})?$/;
const MAX_AGE_SECONDS = '600';
const MAX_HEADERS = 2000;
const HEADER_LIST = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/;
/** What pages may read of an answer beside its body. */
const EXPOSED = 'Retry-After, Allow, Location';

/** Which pages of browsers may send, and read the answer (the CORS protocol of the Fetch standard). */
export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #any: boolean;

  private constructor(origins: ReadonlySet<string>) {
    this.#origins = origins;
    this.#any = origins.has('*');
  }

  /** Undefined where no origin is given: answers have no headers about it then. */
  static of(given: readonly string[], mistake: (what: string) => void): Cors | undefined {
    return given.length === 0 ? undefined : new Cors(new Set(given.map((text) => originOf(text, mistake))));
  }

  /** For every answer, errors too, but that to a preflight. */
  answer({ origin }: IncomingHttpHeaders): OutgoingHttpHeaders {
    const allowed = this.#allow(origin);
    return { ...(this.#varies ? { vary: 'Origin' } : {}), ...allowed, ...(allowed && { 'access-control-expose-headers': EXPOSED }) };
  }

  /** For the answer to a preflight. @param methods that the route takes */
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
      // Asked for by name: a `*` would leave out Authorization.
      ...(isList && { 'access-control-allow-headers': asked }),
      ...(headers['access-control-request-private-network'] === 'true' && { 'access-control-allow-private-network': 'true' }),
      'access-control-max-age': MAX_AGE_SECONDS,
    };
  }

  /** Whether another origin would get other headers. */
  get #varies(): boolean {
    return !this.#any || this.#origins.size > 1;
  }

  /** A listed origin may send credentials, as `navigator.sendBeacon` does; all others never. The origin of files and sandboxes is `null`, which `*` does not mean. */
  #allow(origin: string | undefined): OutgoingHttpHeaders | undefined {
    if (origin === undefined || origin === '*') return undefined;
    if (this.#origins.has(origin)) {
      const credentials = origin === 'null' ? {} : { 'access-control-allow-credentials': 'true' };
      return { 'access-control-allow-origin': origin, ...credentials };
    }
    return this.#any && origin !== 'null' ? { 'access-control-allow-origin': '*' } : undefined;
  }
}

/** As browsers write it: in lower case, without the port that the scheme has anyway. */
function originOf(text: string, mistake: (what: string) => void): string {
  if (text === '*' || text === 'null') return text;
  const lower = text.toLowerCase().replace(/\/$/, '');
  const origin = /^https?:/.test(lower) && URL.canParse(lower) ? new URL(lower).origin : lower;
  if (!ORIGIN.test(lower) || origin === 'null')
    mistake(`${quote(text)} is not an origin; expected scheme, host and port alone, such as https://shop.example.com, or *`);
  return origin;
}
