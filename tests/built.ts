// The sources as JavaScript, for the programs, processes and threads that tests start. From TypeScript, a command takes twice the processor
// time: Node 20 passes every file through a thread that strips its types, and so does each thread and process that the command starts.
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'vite';
import type { TestProject } from 'vitest/node';
import { TYPESCRIPT, tsc } from './tsc.ts';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.cache/built');

/** The compiled file of a source, which is given relative to the repository. */
export const built = (source: string) => join(folder, source.replace(/\.ts$/, '.js'));

/** The pages that programs look for beside their modules. */
const PAGES = ['src/studio/web/index.html'];

/** The command line. */
export const MAIN = built('src/cli/main.ts');

/** Lets the modules that start threads and processes find the compiled ones. They look beside themselves for files with their own extension. */
export const startsBuilt: Plugin = {
  name: 'starts-built',
  enforce: 'pre',
  transform: (code, id) =>
    /extname\(import\.meta\.url\)|\$\{EXTENSION\}/.test(code)
      ? code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(built(relative(root, id))).href))
      : undefined,
};

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
  for (const page of PAGES) cpSync(join(root, page), join(fresh, page));
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}
