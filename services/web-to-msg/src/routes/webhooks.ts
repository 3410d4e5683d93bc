import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { quote } from '@blockhub/errors';

const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)*\.?(?::[0-9]{1,5})?$/i;

/**
 * The validation request of CloudEvents web hooks. `WebHook-Request-Callback` is never called: any
 * sender could make this service connect to any address.
 */
export class Webhooks {
  readonly #hosts: ReadonlySet<string>;

  constructor(hosts: readonly string[], mistake: (what: string) => void) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    for (const host of hosts)
      if (host !== '*' && !HOST.test(host)) mistake(`${quote(host)} is not a host name; expected one such as eventgrid.azure.net, or *`);
  }

  /**
   * Undefined if it is not a validation request, or its sender is not listed.
   * @param perMinute how many requests are accepted; undefined for any number
   */
  answer(headers: IncomingHttpHeaders, perMinute: number | undefined): OutgoingHttpHeaders | undefined {
    const asked = headers['webhook-request-origin'];
    if (typeof asked !== 'string') return undefined;
    const isListed = HOST.test(asked) && this.#hosts.has(asked.toLowerCase());
    if (!isListed && !this.#hosts.has('*')) return undefined;
    return { 'webhook-allowed-origin': HOST.test(asked) ? asked : '*', 'webhook-allowed-rate': rateOf(headers, perMinute) };
  }
}

function rateOf(headers: IncomingHttpHeaders, perMinute: number | undefined): string {
  if (perMinute === undefined) return '*';
  const asked = headers['webhook-request-rate'];
  const wanted = typeof asked === 'string' && /^[1-9][0-9]{0,8}$/.test(asked) ? Number(asked) : Number.POSITIVE_INFINITY;
  return String(Math.min(wanted, perMinute));
}
