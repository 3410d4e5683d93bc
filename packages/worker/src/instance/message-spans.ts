import type { Outgoing } from '@blockhub/broker';
import { errorCode } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import { parseTraceparent, type Span, type Tracing } from '@blockhub/telemetry';

/** Maximum number of traces with spans in a batch or publish. Further contexts only travel on. */
const MAX_TRACES = 32;

type Publish = (messages: readonly Outgoing[]) => Promise<void>;

/** The trace id of a `traceparent`, if the trace is sampled. */
function recordedTrace(traceparent: unknown): string | undefined {
  if (traceparent === undefined) return undefined;
  const context = parseTraceparent(traceparent);
  return context?.sampled ? context.traceId : undefined;
}

const withTraceparent = (message: Outgoing, traceparent: string): Outgoing => ({ ...message, meta: { ...message.meta, traceparent } });

/** One span per trace, which consumers continue. Spans of `causes` are linked with the first. */
export async function publishInSpans(
  tracing: Tracing | undefined,
  messages: readonly Outgoing[],
  publish: Publish,
  causes: readonly Span[] = [],
): Promise<void> {
  const spans = new Map<string, Span>();
  const sent = tracing ? messages.map((message) => sendOf(tracing, message, messages.length, spans)) : messages;
  const [first] = spans.values();
  if (first) for (const cause of causes) linkBoth(first, cause);
  try {
    await publish(sent);
  } catch (error) {
    for (const span of spans.values()) span.fail(errorCode(error));
    throw error;
  } finally {
    for (const span of spans.values()) span.end();
  }
}

function sendOf(tracing: Tracing, message: Outgoing, count: number, spans: Map<string, Span>): Outgoing {
  const { traceparent, chain } = message.meta;
  const trace = recordedTrace(traceparent);
  if (trace === undefined || message.hint) return message;
  let span = spans.get(trace);
  if (!span && spans.size < MAX_TRACES) {
    const attributes = { ...messaging('send', message.queue, count), 'blockhub.chain': chain };
    span = tracing.start(`send ${message.queue}`, { kind: 'producer', parent: traceparent, attributes });
    if (span) spans.set(trace, span);
  }
  return span ? withTraceparent(message, span.traceparent) : message;
}

/** By the semantic conventions of OpenTelemetry for messaging. */
const messaging = (operation: 'send' | 'process', queue: string, count: number): Record<string, string | number> => ({
  'messaging.operation.name': operation,
  'messaging.operation.type': operation,
  'messaging.destination.name': queue,
  'messaging.batch.message_count': count,
});

function linkBoth(one: Span, other: Span): void {
  one.link(other.traceparent);
  other.link(one.traceparent);
}

/** Adds the trace context of a single message to what is published for it. Hints have no trace. */
export function withTraceOf(from: readonly Message[], messages: readonly Outgoing[]): readonly Outgoing[] {
  const traceparent = from.length === 1 ? from[0]?.meta.traceparent : undefined;
  if (traceparent === undefined) return messages;
  return messages.map((one) => (one.hint || one.meta.traceparent !== undefined ? one : { ...one, meta: { ...one.meta, traceparent } }));
}

/** One span per trace of an invocation, until all is settled. The first and others are linked. */
export class MessageSpans {
  readonly #tracing: Tracing;
  readonly #worker: string;
  readonly #open = new WeakMap<Message, Span>();

  constructor(tracing: Tracing, worker: string) {
    this.#tracing = tracing;
    this.#worker = worker;
  }

  /** Returns a function that ends the spans; undefined if none of the traces is sampled. */
  begin(messages: readonly Message[]): (() => void) | undefined {
    const spans = new Map<string, Span>();
    for (const message of messages) {
      const trace = recordedTrace(message.meta.traceparent);
      if (trace === undefined) continue;
      const span = spans.get(trace) ?? (spans.size < MAX_TRACES ? this.#start(message, messages.length) : undefined);
      if (!span) continue;
      spans.set(trace, span);
      this.#open.set(message, span);
    }
    const [first, ...others] = spans.values();
    if (!first) return undefined;
    for (const other of others) linkBoth(first, other);
    return () => {
      for (const span of spans.values()) span.end();
    };
  }

  fail(messages: readonly Message[], code: string): void {
    for (const span of this.#of(messages)) span.fail(code);
  }

  /** Publishes what was made from these messages. By default it joins the first of their traces. */
  async publish(messages: readonly Outgoing[], from: readonly Message[], publish: Publish): Promise<void> {
    const causes = new Map(this.#of(from).map((span) => [recordedTrace(span.traceparent), span] as const));
    const [first] = causes.values();
    if (!first) return publishInSpans(this.#tracing, withTraceOf(from, messages), publish);
    const used = new Set<Span>();
    const placed = messages.map((message) => {
      if (message.hint) return message;
      const trace = recordedTrace(message.meta.traceparent);
      const cause = trace === undefined ? first : causes.get(trace);
      if (!cause) return message;
      used.add(cause);
      return withTraceparent(message, cause.traceparent);
    });
    const unused = [...causes.values()].filter((span) => !used.has(span)).slice(0, MAX_TRACES);
    await publishInSpans(this.#tracing, placed, publish, unused);
  }

  #of(messages: readonly Message[]): Span[] {
    return [...new Set(messages.map((message) => this.#open.get(message)))].filter((span) => span !== undefined);
  }

  #start({ queue, meta: { traceparent, chain, block, height } }: Message, count: number): Span | undefined {
    const attributes = {
      ...messaging('process', queue, count),
      'blockhub.worker': this.#worker,
      'blockhub.chain': chain,
      'blockhub.block': block,
      'blockhub.height': height,
    };
    return this.#tracing.start(`process ${queue}`, { kind: 'consumer', parent: traceparent, attributes });
  }
}
