import { worker as builder } from '@blockhub/builder';
import { worker as deadLetter } from '@blockhub/dead-letter';
import { worker as deploy } from '@blockhub/deploy';
import { worker as grouper } from '@blockhub/grouper';
import { worker as msgMerge } from '@blockhub/msg-merge';
import { worker as nextField } from '@blockhub/next-field';
import { worker as patchblock } from '@blockhub/patchblock';
import { envName, parseSettings, type SettingsShape } from '@blockhub/settings';
import { worker as shoveltomany } from '@blockhub/shoveltomany';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { expect, test } from '@jest/globals';
import { services } from './services.ts';

const all = [builder, deadLetter, deploy, grouper, msgMerge, nextField, patchblock, shoveltomany, webToMsg];
const shapes = new Map<string, SettingsShape>(all.map(({ name, settings }) => [name, settings]));

test.each(services)('$name knows every variable that it is given', ({ service, env }) => {
  const shape = shapes.get(service) ?? {};
  expect(Object.keys(env).filter((variable) => !Object.keys(shape).map(envName).includes(variable))).toEqual([]);
  parseSettings(shape, { argv: [], env });
});

test('every service has a place', () => {
  expect(new Set(services.map(({ service }) => service))).toEqual(new Set(shapes.keys()));
});
