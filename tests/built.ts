// The sources as JavaScript, for the programs that tests start. From TypeScript, a command takes twice the processor time: Node 20 passes
// every file through a thread that strips its types, and so does each thread and process that the command starts.
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { TYPESCRIPT, tsc } from './tsc.ts';

const folder = join(import.meta.dirname, '../.cache/built');

/** The compiled file of a source, which is given relative to the repository. */
export const built = (source: string) => join(folder, source.replace(/\.ts$/, '.js'));

/** The command line. */
export const MAIN = built('src/cli/main.ts');

/** Compiles the sources. Vitest calls it before all tests, and watch mode before each run. */
export function setup(project: TestProject): void {
  compile();
  project.onTestsRerun(compile);
}

/** Compiles the sources, all or none. */
export function compile(): void {
  const fresh = `${folder}-${process.pid}`;
  const printed = tsc(TYPESCRIPT, ['-p', 'tests/tsconfig.built.json', '--outDir', fresh]);
  if (printed) throw new Error(printed);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}
