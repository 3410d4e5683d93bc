import { randomUUID } from 'node:crypto';
import { type BreakableProxy, openProxy, type RabbitmqServer, sharedRabbitmq } from '@blockhub/test-servers';
import { afterAll, describe, test } from '@jest/globals';
import { type ChannelModel, connect } from 'amqplib';
import type { Broker, BrokerLog } from '../../types.ts';
import { type AmqpBrokerOptions, openAmqpBroker } from './broker.ts';
import { parseAmqpUrl } from './url.ts';

/** Skipped if there is no RabbitMQ. Tests that change the whole server need one of their own. */
export async function onRabbit(title: string, tests: (server: RabbitmqServer) => void, start = sharedRabbitmq): Promise<void> {
  const server = await start();
  if ('absent' in server) return test.skip(`${title} (RabbitMQ: ${server.absent})`, () => {});
  describe(title, () => {
    tests(server);
    afterAll(() => server.close()); // hooks run in this order: theirs first
  });
}

/** A virtual host of its own on the server, and what was opened on it. */
export class Bench {
  readonly server: RabbitmqServer;
  readonly vhost = `test-${randomUUID()}`;
  readonly #brokers = new Map<Broker, BreakableProxy>();

  constructor(server: RabbitmqServer) {
    this.server = server;
  }

  async ask(method: string, path: string, body?: object): Promise<unknown> {
    const { username, password } = new URL(this.server.url);
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const response = await fetch(`${this.server.management}/api/${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async open(): Promise<this> {
    await this.ask('PUT', `vhosts/${this.vhost}`);
    return this;
  }

  /** Through a proxy of its own; `options` as in the URL. */
  async connect(options = '', others: AmqpBrokerOptions & { log?: BrokerLog } = {}): Promise<Broker> {
    const { username, password, host } = new URL(this.server.url);
    const proxy = await openProxy(host);
    const url = new URL(`amqp://${username}:${password}@${proxy.address}/${this.vhost}${options}`);
    const broker = await openAmqpBroker(parseAmqpUrl(url), { name: this.vhost, ...others });
    this.#brokers.set(broker, proxy);
    return broker;
  }

  /** The connection of another program. The caller closes it. */
  foreign(): Promise<ChannelModel> {
    return connect(`${this.server.url}/${this.vhost}`);
  }

  proxyOf(broker: Broker): BreakableProxy {
    const proxy = this.#brokers.get(broker);
    if (!proxy) throw new Error('not a broker of this bench');
    return proxy;
  }

  async close(): Promise<void> {
    for (const [broker, proxy] of this.#brokers) {
      await broker.close();
      await proxy.close();
    }
    await this.ask('DELETE', `vhosts/${this.vhost}`);
  }
}
