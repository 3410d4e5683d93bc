import { schemas } from '@blockhub/chain';
import { type ErrorCode, errorCodes } from '@blockhub/errors';
import { catalogues, metaNames, queueEntries } from '@blockhub/message';
import { plainEnds, plainKeys, plainTokens, secretNames, secretParts, secretWords, tokenForms } from '@blockhub/redact';
import { formatSize, type SettingsShape } from '@blockhub/settings';
import { cell, code, codes, generated, settingsTable, table, wrapMarkdown } from './markdown.ts';
import type { DeclaredMetric } from './metrics.ts';

interface Entry {
  readonly meaning: string;
  readonly fix: string;
  readonly transient?: true;
  readonly status?: number;
}

/** docs/reference/errors.md */
export function errorsPage(): string {
  const lines = (Object.keys(errorCodes) as ErrorCode[]).toSorted().map((name) => {
    const { meaning, fix, transient, status }: Entry = errorCodes[name];
    return [code(name), cell(meaning), cell(fix), transient ? 'yes' : '', status === undefined ? '' : String(status)];
  });
  return wrapMarkdown(`# Error codes

${generated}

A *transient* error can disappear without a change by the operator. Blockhub tries again, and the attempt does not count as failed. *HTTP* is the status of the answer that a sender gets.

${table(['Code', 'Meaning', 'What to do', 'Transient', 'HTTP'], lines)}`);
}

/** docs/reference/queues.md */
export function queuesPage(): string {
  const entries = queueEntries();
  const overview = Object.keys(catalogues).map((group) => {
    const lines = queueEntries([group]).map((it) => [code(it.name), it.from.join(', '), it.to.join(', '), cell(it.purpose)]);
    return `## Group ${group}\n\n${table(['Queue', 'From', 'To', 'Purpose'], lines)}`;
  });
  const declared = entries.map((it) => [
    code(it.name),
    it.kind,
    it.singleActive ? 'yes' : '',
    it.maxMessages.toLocaleString('en'),
    formatSize(it.maxBytes),
  ]);
  const forms = entries.map((it) => [code(it.name), it.schema === undefined ? 'bytes' : `JSON, ${it.schema}`, codes(it.meta)]);
  const names = Object.entries(metaNames).map(([name, text]) => [code(name), cell(text)]);
  return wrapMarkdown(`# Queues

${generated}

\`{p}\` is the partition of the chain. \`{instance}\` is the instance that declares the queue. If a queue is at a limit, the broker refuses a publish with \`BROKER_QUEUE_FULL\`, and the publisher waits.

${overview.join('\n')}
## Declarations

A *private* queue belongs to one connection and is deleted with it. *Single* means a single active consumer: only the oldest consumer gets messages.

${table(['Queue', 'Kind', 'Single', 'Messages', 'Bytes'], declared)}
## Messages

A message has these meta. It can also have descriptive meta that the sender gave.

${table(['Queue', 'Body', 'Meta'], forms)}
## Meta

${table(['Name', 'Meaning'], names)}`);
}

/** docs/reference/metrics.md */
export function metricsPage(declared: readonly DeclaredMetric[]): string {
  const metricsOf = (service: string | undefined): string =>
    table(
      ['Name', 'Kind', 'Labels', 'Meaning'],
      declared
        .filter((it) => it.service === service)
        .toSorted((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ name, kind, labels, help }) => [code(name), kind, codes(labels), cell(help)]),
    );
  const services = [...new Set(declared.map(({ service }) => service))].filter((it) => it !== undefined).toSorted();
  return wrapMarkdown(`# Metrics

${generated}

Each process shows its metrics at \`/metrics\` of the probe port, in the text format of Prometheus. Names, kinds, labels and units do not change within a major version. A minor version can add metrics.

- Every sample has the label \`service\`: the service that the process runs, or \`standalone\`.
- Times are in seconds, sizes in bytes.
- A histogram has \`_bucket\`, \`_sum\` and \`_count\`.
- A metric has at most 1,000 series. Further label values are counted under the label value \`other\`. No label contains an id.

There are also the metrics that prom-client has for every process of Node (\`process_cpu_seconds_total\`, \`process_resident_memory_bytes\`, \`process_start_time_seconds\`, \`nodejs_eventloop_lag_seconds\` and others). RabbitMQ has metrics of its own: see [observability](../observability.md).

## Every service

A metric appears when the process uses it for the first time. \`blockhub_store_…\` appear only if the service uses a store.

${metricsOf(undefined)}
${services.map((service) => `## ${service}\n\n${metricsOf(service)}`).join('\n')}`);
}

/** docs/reference/walk-line.md */
export function walkLinePage(): string {
  return wrapMarkdown(`# The line of a walk

${generated}

\`blockhub walk --output ndjson\` prints one JSON object per block. With \`--output json\` it prints an
array of them. Each object has the schema below (JSON Schema, draft-07).

- \`next\` is null at the tail.
- The meta fields of a blob are added to its own fields, so a blob may have further fields.
- Later versions may add fields to the block.

\`\`\`json
${JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', ...schemas.Block }, null, 2)}
\`\`\`
`);
}

/** docs/reference/redaction.md */
export function redactionPage(): string {
  // Wrapped at 100 columns, between two names.
  const list = (names: readonly string[]): string => `${codes(names)}, `.replace(/(.{1,99},) /g, '$1\n').replace(/,\n$/, '\n');
  const forms = Map.groupBy(tokenForms, ([what]) => what);
  return wrapMarkdown(`# Redaction

${generated}

These values are replaced by \`[redacted]\` in request documents, and by \`[hidden]\` in logs.
Everything else of a request is kept as it was sent. The setting \`redact\` of web-to-msg adds names
for request documents.

## By name

The name of a header or parameter is split into words: \`X-Api-Key\`, \`apiKey\` and \`user[api_key]\` are
"api key". An \`x\` as the first word does not count. Percent-encoding is undone up to three times.

If the name of a header is secret, its whole value is replaced. If the name of a parameter is
secret, only the parameter's value is replaced. A parameter is looked for in a URL (after \`?\`, \`&\`,
\`;\` or \`#\`), in a list of pairs and in JSON. In logs, only pairs in URLs count.

A name is secret if one of its words is one of these:

${list(secretWords)}
or if it contains one of these when its words are joined, or \`token\` or \`secret\`, but not
\`tokenize\` or \`secretary\`:

${list(secretParts)}
or if it is one of these, or if its last two words are one of the pairs:

${list(secretNames)}
or if it ends with \`key\`, and the word before it is none of these:

${list(plainKeys)}
or if it has the word \`tokens\`, and none of these words:

${list(plainTokens)}
A name of two or more words that ends with one of these is not secret:

${list(plainEnds)}
## By value

- User and password of every URL: \`https://[redacted]@host/\`.
- Credentials after \`Bearer\`, \`Negotiate\`, \`DPoP\` and similar schemes.
- User and password after \`Basic\`.
- Parameters after \`Digest\`, \`Hawk\`, \`AWS4-HMAC-SHA256\` and similar schemes.
- JWTs, and tokens that are signed in the same form.
- Private keys in PEM.
- URLs of incoming webhooks of Slack, Discord and Teams, and tokens of Telegram bots.
- The shared tokens of the setting \`tokens\`, wherever they appear.
- Tokens of these forms:

${table(
  ['Issued by', 'Pattern'],
  [...forms].map(([what, all]) => [what, codes(all.map(([, pattern]) => pattern))]),
)}`);
}

/** A service, as far as the reference shows it. */
export interface Documented {
  readonly name: string;
  readonly summary: string;
  readonly settings: SettingsShape;
}

/** docs/reference/settings.md */
export function settingsPage(common: SettingsShape, services: readonly Documented[]): string {
  const parts = services.map(({ name, summary, settings }) => `## ${name}\n\n${summary}\n\n${settingsTable(settings)}`);
  return wrapMarkdown(`# Settings

${generated}

Each setting is a flag or an environment variable. If both are set, the flag is used. A size is written like \`4kb\` or \`1.2gb\`, a duration like \`250ms\` or \`2m\`.

An empty variable counts as not set. But if the setting is a secret, or restricts what is accepted, an empty variable is a mistake and the process does not start. The same holds for an empty flag, and for an empty file that a variable \`…_FILE\` names.

## Every service

These settings are the same in every service. A service has only those that it needs.

${settingsTable(common)}
${parts.join('\n')}`);
}
