/**
 * A load generator in a process of its own. It posts and prints one JSON line: `load.ts
 * '{"urls":[…],"connections":64,"amount":10000}'`
 */
import autocannon from 'autocannon';

export interface LoadPlan {
  /**
   * Each connection takes the URLs in turn, from another one on, so that all get equal load at any
   * time. As many requests as URLs reach each URL once, if connections divide the URLs evenly.
   */
  readonly urls: readonly string[];
  readonly connections: number;
  /** Requests in all; bounded, so that it ends by itself. */
  readonly amount: number;
  /** Requests per second over all connections. If it is absent, there is no limit. */
  readonly rate?: number;
  readonly bytes: number;
}

export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the load generator itself. */
  readonly cpuSeconds: number;
}

if (process.argv[1] === import.meta.filename) {
  const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan;
  // Each body is another one: equal ones would make equal packs, which are stored once.
  const body = '[<id>]'.padEnd(plan.bytes - 20, 'a');
  const [first = ''] = plan.urls;
  const requests = plan.urls.map((url) => ({ path: new URL(url).pathname }));
  let clients = 0;
  const started = performance.now();
  const result = await autocannon({
    url: new URL(first).origin,
    connections: plan.connections,
    amount: plan.amount,
    // It ends at the first sample after the last answer.
    sampleInt: 50,
    ...(plan.rate ? { overallRate: plan.rate } : {}),
    method: 'POST',
    body,
    idReplacement: true,
    headers: { 'content-type': 'application/octet-stream' },
    requests,
    setupClient(client) {
      const from = Math.floor((clients++ * requests.length) / plan.connections);
      client.setRequests([...requests.slice(from), ...requests.slice(0, from)]);
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const ok = result['2xx'];
  const { user, system } = process.cpuUsage();
  const answer: LoadResult = {
    ok,
    failed: plan.amount - ok,
    seconds,
    perSecond: ok / seconds,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    cpuSeconds: (user + system) / 1e6,
  };
  console.log(JSON.stringify(answer));
}
