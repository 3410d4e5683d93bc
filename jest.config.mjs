/** Jest runs the TypeScript as it is: no transformer, ES modules. */
export default {
  testMatch: ['**/*.test.ts'],
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testTimeout: 60_000,
};
