import { describe, expect, test } from '@jest/globals';
import { openBroker } from '../../open.ts';
import { parseAmqpUrl } from './url.ts';

const parse = (url: string) => parseAmqpUrl(new URL(url));

describe('parseAmqpUrl', () => {
  test('reads everything that a URL may say', () => {
    const options = 'host=[::1]:5673&host=other&heartbeat=5&maxMessageBytes=2048&ca=/ca&cert=/cert&key=/key&management=https://m:15671/';
    expect(parse(`amqps://a%40b:p%2Fw@first:5674/v%2Fh?${options}`)).toEqual({
      tls: true,
      addresses: [
        { host: 'first', port: 5674 },
        { host: '::1', port: 5673 },
        { host: 'other', port: 5671 },
      ],
      vhost: 'v/h',
      user: 'a@b',
      password: 'p/w',
      passwordFile: undefined,
      ca: '/ca',
      cert: '/cert',
      key: '/key',
      heartbeatSeconds: 5,
      maxMessageBytes: 2048,
      management: 'https://m:15671',
    });
  });

  test('has defaults for all but the host', () => {
    expect(parse('amqp://rabbit')).toMatchObject({
      tls: false,
      addresses: [{ host: 'rabbit', port: 5672 }],
      vhost: '/',
      user: undefined,
      password: undefined,
      heartbeatSeconds: 10,
      maxMessageBytes: 16 * 2 ** 20,
      management: undefined,
    });
  });

  const secret = 'geheim';
  test.each([
    ['amqp:', 'host'],
    ['amqp:///vhost', 'host'],
    ['amqp://h?host=', 'host'],
    ['amqp://h?host=a/b', 'host'],
    [`amqp://h?host=u:${secret}@b`, 'host'],
    ['amqp://h?host=b:70000', 'host'],
    ['amqp://h?Heartbeat=1', 'Heartbeat'],
    ['amqp://h?heartbeat=0', 'heartbeat'],
    ['amqp://h?heartbeat=1.5', 'heartbeat'],
    ['amqp://h?heartbeat=1&heartbeat=2', 'heartbeat'],
    ['amqp://h?maxMessageBytes=1gb', 'maxMessageBytes'],
    ['amqp://h?ca=/ca', 'scheme'],
    ['amqps://h?ca=ca.pem', 'ca'],
    ['amqps://h?cert=/cert', 'key'],
    ['amqps://h?key=/key', 'cert'],
    [`amqp://u:${secret}@h?passwordFile=/p`, 'passwordFile'],
    [`amqp://:${secret}@h`, 'user'],
    [`amqp://u:${secret}%@h`, 'password'],
    ['amqp://u%@h', 'user'],
    ['amqp://h/%', 'path'],
    [`amqp://u:${secret}@h/v#x`, 'hash'],
    ['amqp://h?management=rabbit', 'management'],
    [`amqp://h?management=http://u:${secret}@m`, 'management'],
  ])('%p: BROKER_URL_INVALID names %s and shows no password', async (url, field) => {
    const error = await openBroker(url).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'BROKER_URL_INVALID', details: { field } });
    expect(`${error.stack}${error.cause?.stack}${JSON.stringify(error)}`).not.toContain(secret);
  });
});
