import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { startsBuilt } from './tests/built.ts';

/**
 * Test files that get a process of their own: those that are long or measure, replace modules, or register parts. All others share the
 * processes, because starting each file anew takes a third of their processor time.
 */
const OWN = [
  'tests/**/*.test.ts',
  'src/*.test.ts',
  'src/{engine,image}/**/*.test.ts',
  ...[
    'bench/failing',
    'bench/picture-source',
    'classifier/closed',
    'classifier/joined',
    'cli/extensions',
    'cli/given',
    'cli/unreadable',
    'dataset/registered',
    'encoder/clip-parts',
    'encoder/clip/weight-files',
    'export/site',
    'scale/embed',
    'scale/hub-source',
    'store/atomic-close',
    'store/download',
    'store/lock',
    'studio/phone',
    'studio/web/local/stored-pictures',
    'studio/web/local/stored-workspace',
    'studio/web/local/zip-pictures',
    'studio/web/upload',
  ].map((name) => `src/${name}.test.ts`),
];

/** Starts the files in tests/ first: the longest are there, and one that started last would leave a core idle. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const [first, then]: [TestSpecification[], TestSpecification[]] = [[], []];
    for (const file of await super.sort(files)) (/\/tests\//.test(file.moduleId) ? first : then).push(file);
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
      { extends: true, test: { name: 'own', include: OWN } },
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['src/**/*.test.ts'],
          exclude: OWN,
          isolate: false,
          setupFiles: 'tests/shared-process.ts',
        },
      },
    ],
  },
});
