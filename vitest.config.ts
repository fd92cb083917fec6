import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { startsBuilt } from './tests/built.ts';

/** Folders whose tests leave nothing behind in their process, so that their files can share one. Starting each file anew takes half of their time. */
const SHARED = ['adaptation', 'graph', 'linalg', 'math', 'methods', 'metrics', 'report', 'tuning'].map(
  (folder) => `src/${folder}/**/*.test.ts`,
);

/** Starts the files in tests/ first: the longest are there, and one that started last would leave a core idle. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const [first, then]: [TestSpecification[], TestSpecification[]] = [[], []];
    for (const file of await super.sort(files))
      (/\/tests\/[^/]+\.test\.ts$/.test(file.moduleId) ? first : then).push(file);
    return [...first, ...then];
  }
}

export default defineConfig({
  plugins: [startsBuilt],
  test: {
    pool: 'forks',
    globalSetup: 'tests/built.ts',
    maxWorkers: 2,
    allowOnly: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './tests/reporter.ts'],
    projects: [
      { extends: true, test: { name: 'shared', include: SHARED, isolate: false } },
      {
        extends: true,
        test: {
          name: 'own',
          include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: ['node_modules', ...SHARED],
        },
      },
    ],
  },
});
