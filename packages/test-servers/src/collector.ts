import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span that the collector received. Ids are hex. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentId: string;
  /** Trace ids of the linked spans. */
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** 2 means failed. */
  readonly status: number;
}

/** A server that receives spans by OTLP over HTTP, as protobuf. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: CollectedSpan[];
  close(): Promise<void>;
}

export async function collector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const isTraces = request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
    if (isTraces) spans.push(...readRequest(Buffer.concat(chunks)));
    response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/x-protobuf' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * The fields of a protobuf message, by number. A field with a length has bytes, others a number.
 */
type Fields = Map<number, (Buffer | number)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const type = key & 7;
    const value = type === 0 ? varint() : take(type === 2 ? varint() : type === 1 ? 8 : 4);
    const list = fields.get(key >> 3) ?? [];
    list.push(value);
    fields.set(key >> 3, list);
  }
  return fields;
}

const parts = (fields: Fields, field: number): Fields[] => (fields.get(field) ?? []).map((bytes) => fieldsOf(bytes as Buffer));
const text = (fields: Fields | undefined, field: number): string => (fields?.get(field)?.[0] as Buffer | undefined)?.toString() ?? '';
const hex = (fields: Fields, field: number): string => (fields.get(field)?.[0] as Buffer | undefined)?.toString('hex') ?? '';

function attributesOf(fields: Fields | undefined, field: number): Record<string, string | number | boolean> {
  const pairs = fields ? parts(fields, field) : [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const [value] = parts(pair, 2);
      const [flag] = value?.get(2) ?? [];
      const [number] = value?.get(3) ?? [];
      return [text(pair, 1), typeof number === 'number' ? number : typeof flag === 'number' ? flag === 1 : text(value, 1)];
    }),
  );
}

/** https://github.com/open-telemetry/opentelemetry-proto: ExportTraceServiceRequest. */
function readRequest(bytes: Buffer): CollectedSpan[] {
  return parts(fieldsOf(bytes), 1).flatMap((resourceSpans) => {
    const service = String(attributesOf(parts(resourceSpans, 1)[0], 1)['service.name']);
    return parts(resourceSpans, 2).flatMap((scopeSpans) => parts(scopeSpans, 2).map((span) => readSpan(service, span)));
  });
}

const readSpan = (service: string, span: Fields): CollectedSpan => ({
  service,
  name: text(span, 5),
  traceId: hex(span, 1),
  spanId: hex(span, 2),
  parentId: hex(span, 4),
  links: parts(span, 13).map((link) => hex(link, 1)),
  attributes: attributesOf(span, 9),
  status: Number(parts(span, 15)[0]?.get(3)?.[0] ?? 0),
});
