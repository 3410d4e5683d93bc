import { pino, stdTimeFunctions } from 'pino';
import { hideLine, hideValue } from './hide.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Facts of a line. Put errors under `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Facts first, a short constant message second. */
export interface LogMethod {
  (fields: LogFields, message: string): void;
  (message: string): void;
}

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** A logger that adds these facts to each line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** Who speaks; the field `name` of each line. */
  readonly name: string;
  /** `info` by default. */
  readonly level?: LogLevel;
  /** Where lines go; standard output by default, written at once, so that a crash loses none. */
  readonly stream?: { write(line: string): unknown };
}

/** The log must never be what stops a process: a full disk behind standard output costs lines only. */
function standardOutput(): { write(line: string): unknown } {
  const destination = pino.destination({ fd: 1, sync: true });
  destination.on('error', () => {});
  return destination;
}

/**
 * A logger that writes one JSON object per line with ISO time. Values under keys such as `authorization`, `cookie`, `token`, `secret` and
 * `password` at any depth, and user and password of any URL in the line, are hidden; long texts are cut.
 */
export function createLogger({ name, level = 'info', stream }: LoggerOptions): Logger {
  const logger = pino(
    {
      base: { name },
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => hideValue(fields) as Record<string, unknown>,
      },
      // Errors are already plain when they get here: the default serializer would copy every field of theirs, headers of a request included.
      serializers: { err: (value: unknown) => value },
      hooks: { streamWrite: hideLine },
    },
    stream ?? standardOutput(),
  );
  return wrap(logger);
}

/** The part of pino that is used here. */
interface Sink {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  child(fields: object): Sink;
  isLevelEnabled(level: string): boolean;
}

/** Keeps pino out of our types, and an error as only argument (`log.error(error)`) out of its own handling. */
function wrap(sink: Sink): Logger {
  const method =
    (level: 'debug' | 'info' | 'warn' | 'error'): LogMethod =>
    (fields: LogFields | string, message?: string) => {
      if (typeof fields === 'string') sink[level]({}, fields);
      else sink[level](fields instanceof Error ? { err: fields } : fields, message ?? '');
    };
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    // pino formats the facts of lines, but not those of children.
    child: (fields) => wrap(sink.child(hideValue(fields) as object)),
  };
}

const nothing: LogMethod = () => {};

/** Says nothing. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLogger };
