import { BlockhubError, quote } from '@blockhub/errors';
import type { Message } from '@blockhub/message';

/** True if a message passes. */
export type Predicate = (message: Pick<Message, 'id' | 'meta' | 'doc'>) => boolean;

type Subject = Parameters<Predicate>[0];
type Read = (message: Subject) => unknown;

interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign';
  readonly text: string;
  readonly at: number;
}

const MAX_CHARACTERS = 2000;
const MAX_DEPTH = 50;
const tokenForm = /\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)(?![\w.])|([A-Za-z][\w-]*(?:\.[\w-]+)*)|(==|!=|[(),]))/y;

/**
 * Compiles an expression. Nothing of it is run as code.
 *
 * | form                                        | passes if                                     |
 * | ------------------------------------------- | --------------------------------------------- |
 * | `msg.meta.mime == "text/plain"`             | the field is this text, number, true or false |
 * | `msg.meta.mime != "text/plain"`             | it is not                                     |
 * | `startsWith(msg.meta.subject, "invoices/")` | the field is a text that begins with this     |
 * | `exists(msg.doc.a.b)`                       | the message has the field                     |
 * | `a and b`, `a or b`, `not a`, `(a)`         | its parts do so; `and` before `or`            |
 *
 * Fields are `msg.id`, `msg.meta.<name>` and `msg.doc.<path>`. A missing field equals no value.
 * Throws SETTINGS_INVALID with the position.
 */
export function parsePredicate(text: string): Predicate {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = this.#scan();
  }

  parse(): Predicate {
    const predicate = this.#or();
    const rest = this.#tokens[this.#next];
    if (rest) throw this.#wrong(`expected and, or, or the end, got ${rest.text}`, rest.at);
    return predicate;
  }

  #scan(): Token[] {
    if (this.#text.length > MAX_CHARACTERS) throw this.#wrong(`expected at most ${MAX_CHARACTERS} characters`, MAX_CHARACTERS);
    const tokens: Token[] = [];
    const end = this.#text.trimEnd().length;
    for (let at = 0; at < end; at = tokenForm.lastIndex) {
      tokenForm.lastIndex = at;
      const match = tokenForm.exec(this.#text);
      if (!match) throw this.#wrong('expected a field, a function, a value or a sign', at);
      const [whole, text, number, word, sign] = match;
      const kind = text !== undefined ? 'text' : number !== undefined ? 'number' : word !== undefined ? 'word' : 'sign';
      const found = text ?? number ?? word ?? sign ?? '';
      tokens.push({ kind, text: found, at: at + whole.length - found.length });
    }
    return tokens;
  }

  #or(): Predicate {
    if (++this.#depth > MAX_DEPTH) throw this.#wrong(`expected at most ${MAX_DEPTH} brackets inside each other`, 0);
    const parts = [this.#and()];
    while (this.#take('or')) parts.push(this.#and());
    this.#depth--;
    return (message) => parts.some((part) => part(message));
  }

  #and(): Predicate {
    const parts = [this.#not()];
    while (this.#take('and')) parts.push(this.#not());
    return (message) => parts.every((part) => part(message));
  }

  #not(): Predicate {
    let negate = false;
    while (this.#take('not')) negate = !negate;
    const part = this.#atom();
    return negate ? (message) => !part(message) : part;
  }

  #atom(): Predicate {
    if (this.#take('(')) {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    if (this.#take('exists')) {
      this.#expect('(');
      const read = this.#field();
      this.#expect(')');
      return (message) => read(message) !== undefined;
    }
    if (this.#take('startsWith')) return this.#startsWith();
    const read = this.#field();
    const equal = this.#take('==');
    if (!equal) this.#expect('!=');
    const value = this.#literal();
    return (message) => (read(message) === value) === equal;
  }

  #startsWith(): Predicate {
    this.#expect('(');
    const read = this.#field();
    this.#expect(',');
    const prefix = this.#literal();
    this.#expect(')');
    if (typeof prefix !== 'string')
      throw this.#wrong('expected a "text" as the second argument of startsWith', this.#tokens[this.#next - 2]?.at ?? 0);
    return (message) => {
      const value = read(message);
      return typeof value === 'string' && value.startsWith(prefix);
    };
  }

  #field(): Read {
    const token = this.#tokens[this.#next++];
    const [root, kind, ...path] = token?.kind === 'word' ? token.text.split('.') : [];
    if (root === 'msg' && kind === 'id' && path.length === 0) return ({ id }) => id;
    // Meta names may hold dots.
    if (root === 'msg' && kind === 'meta' && path.length > 0) return ({ meta }) => own(meta, path.join('.'));
    if (root === 'msg' && kind === 'doc' && path.length > 0) return (message) => path.reduce<unknown>(own, message.doc());
    throw this.#wrong(`expected a field: msg.id, msg.meta.<name> or msg.doc.<path>${gotOf(token)}`, token?.at ?? this.#text.length);
  }

  #literal(): string | number | boolean {
    const token = this.#tokens[this.#next++];
    if (token?.kind === 'number') return Number(token.text);
    if (token?.text === 'true' || token?.text === 'false') return token.text === 'true';
    try {
      if (token?.kind === 'text') return JSON.parse(token.text) as string;
    } catch {
      throw this.#wrong('expected a text with the escapes of JSON', token?.at ?? 0);
    }
    throw this.#wrong(`expected a "text", a number, true or false${gotOf(token)}`, token?.at ?? this.#text.length);
  }

  #take(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.text !== text || token.kind === 'text') return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text))
      throw this.#wrong(`expected ${text}${gotOf(this.#tokens[this.#next])}`, this.#tokens[this.#next]?.at ?? this.#text.length);
  }

  #wrong(what: string, at: number): BlockhubError {
    return new BlockhubError('SETTINGS_INVALID', `the predicate ${quote(this.#text, 200)} is wrong at character ${at + 1}: ${what}`);
  }
}

const gotOf = (token: Token | undefined): string => (token ? `, got ${token.text}` : ', got the end');

/** Own properties only: names such as `constructor` are not fields of a message. */
const own = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
