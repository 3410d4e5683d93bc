import { variablesOf } from '@blockhub/mesh';
import { defaults, parseSettings } from '@blockhub/settings';
import { expect, test } from '@jest/globals';
import { services } from './services.ts';

test.each(services)('a process of $name gets its settings by variables', (place) => {
  const { worker, settings } = place;
  expect(parseSettings(worker.settings, { argv: [], env: variablesOf(place) })).toEqual(defaults(worker.settings, settings));
});
