import type { Message } from '@blockhub/message';
import { type LogFields, type Logger, parseTraceparent } from '@blockhub/telemetry';

/** What a log line says of the message that it belongs to: its id, its chain and the trace id of its trace context, as far as it has them. */
export function factsOf({ id, meta }: Message): LogFields {
  const { chain, traceparent } = meta;
  const traceId = traceparent === undefined ? undefined : parseTraceparent(traceparent)?.traceId;
  return { id, ...(chain === undefined ? {} : { chain }), ...(traceId === undefined ? {} : { traceId }) };
}

interface OwnContext {
  readonly message: Message;
  own?: Logger;
}

/**
 * Gives each message a context like this one, whose log lines carry the facts of the message. That takes one small object: the logger is made when
 * the first line is written, and most messages write none.
 */
export function contextsOf<C extends { readonly log: Logger }>(context: C): (message: Message) => C {
  const shared = Object.create(context, {
    log: {
      get(this: OwnContext) {
        this.own ??= context.log.child(factsOf(this.message));
        return this.own;
      },
    },
  });
  return (message) => Object.assign(Object.create(shared), { message });
}
