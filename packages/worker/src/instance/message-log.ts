import type { Message } from '@blockhub/message';
import { type LogFields, type Logger, parseTraceparent } from '@blockhub/telemetry';

export function factsOf({ id, meta }: Message): LogFields {
  const { chain, traceparent } = meta;
  const traceId = traceparent === undefined ? undefined : parseTraceparent(traceparent)?.traceId;
  return { id, ...(chain === undefined ? {} : { chain }), ...(traceId === undefined ? {} : { traceId }) };
}

interface MessageContext {
  readonly message: Message;
  own?: Logger;
}

/** Log lines carry the message's fields. The logger is made with the first one; most have none. */
export function contextsOf<C extends { readonly log: Logger }>(context: C): (message: Message) => C {
  const shared = Object.create(context, {
    log: {
      get(this: MessageContext) {
        this.own ??= context.log.child(factsOf(this.message));
        return this.own;
      },
    },
  });
  return (message) => Object.assign(Object.create(shared), { message });
}
