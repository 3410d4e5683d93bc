import { expect, test } from '@jest/globals';
import { Webhooks } from './webhooks.ts';

const answer = (hosts: readonly string[], origin: string | undefined, rate?: string, perMinute?: number): unknown =>
  new Webhooks(hosts, () => {}).answer(
    { ...(origin !== undefined && { 'webhook-request-origin': origin }), ...(rate !== undefined && { 'webhook-request-rate': rate }) },
    perMinute,
  );
const yes = (origin: string, rate = '*') => ({ 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rate });

test.each([
  [['*'], 'eventgrid.azure.net', yes('eventgrid.azure.net')],
  [['*'], 'x\ty', yes('*')],
  [['*'], '', yes('*')],
  [['*'], 'a'.repeat(300), yes('*')],
  [['EventGrid.azure.net'], 'eventgrid.AZURE.net', yes('eventgrid.AZURE.net')],
  [['emitter.example.com:8443'], 'emitter.example.com:8443', yes('emitter.example.com:8443')],
  [['eventgrid.azure.net'], 'evil.example', undefined],
  [['eventgrid.azure.net'], 'eventgrid.azure.net.evil.example', undefined],
  [['eventgrid.azure.net'], '*', undefined],
  [['*'], undefined, undefined],
  [[], 'eventgrid.azure.net', undefined],
])('of %j, the sender %j gets %j', (hosts, origin, headers) => expect(answer(hosts, origin)).toEqual(headers));

test.each([
  ['120', undefined, '*'],
  ['120', 60, '60'],
  ['30', 60, '30'],
  ['*', 60, '60'],
  ['many', 60, '60'],
  [undefined, 60, '60'],
])('who asks for the rate %j where %j are taken gets %j', (asked, perMinute, rate) =>
  expect(answer(['*'], 'a.example', asked, perMinute)).toEqual(yes('a.example', rate)),
);

test.each(['https://eventgrid.azure.net', '*.azure.net', 'a b', '-a', 'a/b'])('%s is not a host name', (host) => {
  const mistakes: string[] = [];
  new Webhooks([host], (what) => mistakes.push(what));
  expect(mistakes).toEqual([expect.stringContaining('is not a host name')]);
});
