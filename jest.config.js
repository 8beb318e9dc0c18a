/** Tests run as ES modules (vega has no other form), compiled by swc; types are checked by `npm run typecheck`. */
export default {
  globalSetup: '<rootDir>/test/support/global-setup.js',
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  // One core fewer would be the default: one of two.
  maxWorkers: '100%',
  testTimeout: 180_000,
};
