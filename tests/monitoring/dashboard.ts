/** One or more lines of a panel: a query of Prometheus, and the legend of its lines. */
type Query = readonly [expr: string, legend: string];

interface PanelOptions {
  readonly title: string;
  /** An explanation for readers. */
  readonly text?: string;
  /** A unit of Grafana. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly stacked?: true;
}

type Row = readonly [title: string, panels: readonly PanelOptions[]];

/** Limits every query to the chosen namespace. Without namespaces, the value is empty and fits. */
const of = (...filters: string[]): string => `{${['namespace=~"$namespace"', ...filters].join(', ')}}`;

const rate = (metric: string, ...filters: string[]): string => `rate(${metric}${of(...filters)}[$__rate_interval])`;

const quantile = (q: number, metric: string, by = ''): string => `histogram_quantile(${q}, sum by (le${by}) (${rate(`${metric}_bucket`)}))`;

const rows: readonly Row[] = [
  [
    'Events',
    [
      {
        title: 'Answers to senders',
        text: '201: confirmed by the broker. 202: on the disk of one process, sent later. 5xx: nothing was promised.',
        unit: 'reqps',
        stacked: true,
        queries: [[`sum by (status) (${rate('blockhub_capture_requests_total')})`, '{{status}}']],
      },
      {
        title: 'Into chains',
        unit: 'ops',
        queries: [
          [`sum(${rate('blockhub_next_field_events_total')})`, 'events'],
          [`sum(${rate('blockhub_next_field_blocks_total')})`, 'blocks'],
          [`sum(${rate('blockhub_next_field_set_total')})`, 'blocks that came too late'],
        ],
      },
      {
        title: 'From the answer until it is in a block',
        unit: 's',
        queries: [0.5, 0.9, 0.99].map((q) => [quantile(q, 'blockhub_next_field_event_age_seconds'), `p${q * 100}`]),
      },
      {
        title: 'Time since the last block',
        unit: 's',
        queries: [[`time() - max(blockhub_next_field_last_commit_timestamp_seconds${of()} > 0)`, 'since the last block']],
      },
      {
        title: 'Refused by rules',
        unit: 'reqps',
        queries: [[`sum by (rule, code) (${rate('blockhub_capture_refused_total')})`, '{{rule}} {{code}}']],
      },
      {
        title: 'Bytes of bodies',
        unit: 'Bps',
        queries: [[`sum(${rate('blockhub_capture_bytes_total')})`, 'captured']],
      },
    ],
  ],
  [
    'What waits',
    [
      {
        title: 'Queue depths',
        text: 'Ready messages; those of the embedded broker are not seen here.',
        unit: 'short',
        queries: [
          [`max by (queue) (rabbitmq_detailed_queue_messages_ready${of('queue!~"blockhub[.]delay[.].*|tails[.].*"')}) > 0`, '{{queue}}'],
        ],
      },
      {
        title: 'Consumers',
        unit: 'short',
        queries: [[`max by (queue) (rabbitmq_detailed_queue_consumers${of('queue!~"blockhub[.]delay[.].*|tails[.]..*"')})`, '{{queue}}']],
      },
      {
        title: 'Held by workers',
        unit: 'short',
        queries: [[`sum by (worker, queue) (blockhub_held_messages${of()})`, '{{worker}} {{queue}}']],
      },
      {
        title: 'Oldest group that waits for its block',
        unit: 's',
        queries: [[`max(blockhub_msg_merge_oldest_seconds${of()})`, 'age']],
      },
      {
        title: 'Spool',
        text: 'Requests that were answered with 202 and lie on one disk only.',
        unit: 'short',
        queries: [[`blockhub_capture_spool_requests${of()}`, '{{instance}}']],
      },
      {
        title: 'Age of the spool',
        unit: 's',
        queries: [[`blockhub_capture_spool_oldest_seconds${of()}`, '{{instance}}']],
      },
    ],
  ],
  [
    'What goes wrong',
    [
      {
        title: 'Dead letters that are kept',
        unit: 'short',
        queries: [[`max(rabbitmq_detailed_queue_messages${of('queue="dead-letter.kept"')})`, 'kept']],
      },
      {
        title: 'Given up and repaired',
        unit: 'ops',
        queries: [
          [`sum by (code) (${rate('blockhub_messages_rejected_total')})`, 'given up: {{code}}'],
          [`sum by (code) (${rate('blockhub_dead_letter_letters_total', 'outcome="repaired"')})`, 'repaired: {{code}}'],
        ],
      },
      {
        title: 'Retried',
        unit: 'ops',
        queries: [[`sum by (worker, queue) (${rate('blockhub_messages_retried_total')})`, '{{worker}} {{queue}}']],
      },
      {
        title: 'Detached chains',
        unit: 'short',
        queries: [
          [`sum(increase(blockhub_patchblock_detached_total${of()}[$__rate_interval]))`, 'tail not found'],
          [`sum(increase(blockhub_msg_merge_expired_total${of()}[$__rate_interval]))`, 'messages that waited too long'],
        ],
      },
      {
        title: 'Not ready',
        unit: 'short',
        queries: [[`blockhub_check${of()} == 0`, '{{instance}} {{check}}']],
      },
      {
        title: 'Starts',
        unit: 'short',
        queries: [[`sum by (service) (changes(process_start_time_seconds${of('service!=""')}[$__rate_interval]))`, '{{service}}']],
      },
    ],
  ],
  [
    'Stages',
    [
      {
        title: 'Handled',
        unit: 'ops',
        queries: [[`sum by (worker, queue) (${rate('blockhub_messages_done_total')})`, '{{worker}} {{queue}}']],
      },
      {
        title: 'Time to handle, p90',
        unit: 's',
        queries: [[quantile(0.9, 'blockhub_handle_seconds', ', worker, queue'), '{{worker}} {{queue}}']],
      },
      {
        title: 'CPU',
        unit: 'short',
        stacked: true,
        queries: [[`sum by (service) (${rate('process_cpu_seconds_total', 'service!=""')})`, '{{service}}']],
      },
      {
        title: 'Memory of a process',
        unit: 'bytes',
        queries: [[`max by (service) (process_resident_memory_bytes${of('service!=""')})`, '{{service}}']],
      },
      {
        title: 'Event loop lag, p99',
        unit: 's',
        queries: [[`max by (service) (nodejs_eventloop_lag_p99_seconds${of('service!=""')})`, '{{service}}']],
      },
      {
        title: 'Bodies held by capture',
        unit: 'bytes',
        queries: [[`blockhub_capture_held_bytes${of()}`, '{{instance}}']],
      },
    ],
  ],
  [
    'Store',
    [
      {
        title: 'Requests',
        unit: 'reqps',
        stacked: true,
        queries: [[`sum by (operation) (${rate('blockhub_store_requests_total')})`, '{{operation}}']],
      },
      {
        title: 'Errors',
        unit: 'reqps',
        queries: [[`sum by (service, operation, kind) (${rate('blockhub_store_errors_total')}) > 0`, '{{service}} {{operation}} {{kind}}']],
      },
      {
        title: 'Time of a request, p90',
        unit: 's',
        queries: [[quantile(0.9, 'blockhub_store_request_seconds', ', operation'), '{{operation}}']],
      },
    ],
  ],
  [
    'RabbitMQ',
    [
      {
        title: 'Connections of processes',
        text: '1: connected, 0.5: blocked, 0: disconnected.',
        unit: 'short',
        queries: [
          [
            `max by (instance) (blockhub_broker_state${of('state="connected"')}) + 0.5 * max by (instance) (blockhub_broker_state${of('state="blocked"')})`,
            '{{instance}}',
          ],
        ],
      },
      {
        title: 'Unconfirmed',
        unit: 'short',
        queries: [[`sum by (service) (blockhub_broker_unconfirmed_messages${of()})`, '{{service}}']],
      },
      {
        title: 'Published and confirmed',
        unit: 'ops',
        queries: [[`sum by (worker, queue) (${rate('blockhub_published_total')})`, '{{worker}} {{queue}}']],
      },
      {
        title: 'Memory of nodes',
        unit: 'bytes',
        queries: [
          [`rabbitmq_process_resident_memory_bytes${of()}`, '{{instance}}'],
          [`rabbitmq_resident_memory_limit_bytes${of()}`, '{{instance}} limit'],
        ],
      },
      {
        title: 'Free disk of nodes',
        unit: 'bytes',
        queries: [
          [`rabbitmq_disk_space_available_bytes${of()}`, '{{instance}}'],
          [`rabbitmq_disk_space_available_limit_bytes${of()}`, '{{instance}} limit'],
        ],
      },
      {
        title: 'Alarms',
        unit: 'short',
        queries: [
          [`rabbitmq_alarms_memory_used_watermark${of()}`, '{{instance}} memory'],
          [`rabbitmq_alarms_free_disk_space_watermark${of()}`, '{{instance}} disk'],
        ],
      },
    ],
  ],
];

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
const datasource = { type: 'prometheus', uid: '${datasource}' };
const WIDTH = 8;
const HEIGHT = 8;
const COLUMNS = 3;

function panelOf({ title, text, unit, queries, stacked }: PanelOptions, id: number, x: number, y: number) {
  return {
    id,
    type: 'timeseries',
    title,
    ...(text === undefined ? {} : { description: text }),
    datasource,
    gridPos: { h: HEIGHT, w: WIDTH, x, y },
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: stacked ? { fillOpacity: 20, stacking: { mode: 'normal', group: 'A' } } : { fillOpacity: 0 },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(([expr, legendFormat], at) => ({ refId: String.fromCharCode(65 + at), datasource, expr, legendFormat })),
  };
}

function panels(): object[] {
  const all: object[] = [];
  let y = 0;
  for (const [title, options] of rows) {
    all.push({ id: all.length + 1, type: 'row', title, collapsed: false, gridPos: { h: 1, w: WIDTH * COLUMNS, x: 0, y }, panels: [] });
    y++;
    options.forEach((one, at) => {
      all.push(panelOf(one, all.length + 1, (at % COLUMNS) * WIDTH, y + Math.floor(at / COLUMNS) * HEIGHT));
    });
    y += Math.ceil(options.length / COLUMNS) * HEIGHT;
  }
  return all;
}

/** The dashboard of Grafana, as JSON: rows of three panels. */
export function dashboard(): string {
  const namespaces = 'label_values(blockhub_ready, namespace)';
  const model = {
    uid: 'blockhub',
    title: 'Blockhub',
    description: 'From the request to the chain. What each metric means: docs/reference/metrics.md.',
    tags: ['blockhub'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {}, hide: 0, refresh: 1 },
        {
          name: 'namespace',
          label: 'Namespace',
          type: 'query',
          datasource,
          definition: namespaces,
          query: { query: namespaces, refId: 'namespace' },
          includeAll: true,
          // Matches series without this label, too.
          allValue: '.*',
          multi: true,
          current: { selected: true, text: ['All'], value: ['$__all'] },
          hide: 0,
          refresh: 2,
          sort: 1,
        },
      ],
    },
    annotations: { list: [] },
    links: [],
    panels: panels(),
  };
  return `${JSON.stringify(model, null, 2)}\n`;
}
