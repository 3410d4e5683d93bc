import { pino, stdTimeFunctions } from 'pino';
import { hideLine, hideValue } from './hide.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields of a line. An error is the field `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Fields first, then a short constant message. */
export interface LogMethod {
  (fields: LogFields, message: string): void;
  (message: string): void;
}

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** The field `name` of each line. */
  readonly name: string;
  /** `info` by default. */
  readonly level?: LogLevel;
  /** Standard output by default. Each line is written at once, so a crash loses none. */
  readonly stream?: { write(line: string): unknown };
}

/** If the disk behind standard output is full, lines are lost and the process continues. */
function standardOutput(): { write(line: string): unknown } {
  const destination = pino.destination({ fd: 1, sync: true });
  destination.on('error', () => {});
  return destination;
}

/**
 * A logger that writes one JSON object per line with ISO time. Values of keys such as
 * `authorization`, `cookie`, `token`, `secret` and `password` are hidden at any depth, as are user
 * and password of URLs. Long texts are cut.
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
      // Errors are plain objects already. The default serializer would copy all their fields.
      serializers: { err: (value: unknown) => value },
      hooks: { streamWrite: hideLine },
    },
    stream ?? standardOutput(),
  );
  return wrap(logger);
}

/** The part of pino that is used. */
interface Sink {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  child(fields: object): Sink;
  isLevelEnabled(level: string): boolean;
}

/** Hides the types of pino. A single error as argument is logged as the field `err`. */
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
    // pino formats the fields of lines, but not those of children.
    child: (fields) => wrap(sink.child(hideValue(fields) as object)),
  };
}

const nothing: LogMethod = () => {};

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLogger };
