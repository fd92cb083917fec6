import { defineConfig } from 'vitest/config';
import { startsBuilt } from './tests/built.ts';

export default defineConfig({
  plugins: [startsBuilt],
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    pool: 'forks',
    globalSetup: 'tests/built.ts',
    maxWorkers: 2,
    allowOnly: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './tests/reporter.ts'],
  },
});
