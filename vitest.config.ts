import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    // Worker threads of the product are TypeScript files during tests; Node has to be taught to load them.
    pool: 'forks',
    execArgv: ['--import', new URL('tests/typescript.mjs', import.meta.url).href],
    globalSetup: 'tests/built.ts',
    maxWorkers: 2,
    allowOnly: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './tests/reporter.ts'],
  },
});
