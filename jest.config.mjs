import { parseLayers, suitesOf } from './tests/layers/layers.ts';

const { BLOCKHUB_TEST_LAYERS: wanted } = process.env;

/** Jest runs the TypeScript as it is: no transformer, ES modules. */
export default {
  testMatch: wanted ? suitesOf(parseLayers(wanted)).map((path) => `<rootDir>/${path}`) : ['**/*.test.ts'],
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testTimeout: 60_000,
  // By default one core is left idle.
  maxWorkers: '100%',
  testSequencer: '<rootDir>/tests/layers/long-first.ts',
  globalSetup: '<rootDir>/tests/layers/set-up.ts',
  globalTeardown: '<rootDir>/tests/layers/tear-down.ts',
};
