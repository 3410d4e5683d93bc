import { quote } from '@blockhub/errors';

const PATTERN = /^(?:\*\/\*|[!#$%&'+.^_`|~0-9a-z-]+\/(?:\*|[!#$%&'+.^_`|~0-9a-z-]+))$/;

/** A set of MIME types and families of them, such as `text/plain` or `image/*`. */
export class MimeSet {
  readonly #types = new Set<string>();

  /** @param mistake called for each item that is not a type or family */
  constructor(patterns: readonly string[], mistake: (what: string) => void) {
    for (const pattern of patterns) {
      const type = pattern.toLowerCase();
      if (!PATTERN.test(type)) mistake(`${quote(pattern)} is not a MIME type; expected one such as text/plain or image/*`);
      this.#types.add(type);
    }
  }

  /** @param mime lower case, without parameters */
  has(mime: string): boolean {
    return this.#types.has(mime) || this.#types.has(`${mime.split('/', 1)[0]}/*`) || this.#types.has('*/*');
  }
}
