import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '..', 'src');

/** Static imports and re-exports of values. Types are erased, and `import()` runs later. */
const IMPORT = /^(?:(?:import|export)\s+(?!type\b)[^'"]*?\bfrom\s*|import\s+)'([^']+)'/gm;

const LAZY_IMPORT = /\bimport\(\s*'([^']+)'\s*\)/g;

/** What is loaded with a module: files of `src`, and packages. */
const loadedWith = (...entries: string[]) => reached(entries, [IMPORT]);

/** What can be loaded by a module, at once or later. */
const reachedFrom = (...entries: string[]) => reached(entries, [IMPORT, LAZY_IMPORT]);

function reached(entries: string[], forms: RegExp[]): { files: Set<string>; packages: string[] } {
  const files = new Set(entries);
  const packages = new Set<string>();
  for (const file of files) {
    const code = readFileSync(join(src, file), 'utf8');
    for (const [, name] of forms.flatMap((form) => [...code.matchAll(form)])) {
      if (name!.startsWith('.')) files.add(posix.join(posix.dirname(file), name!));
      else if (!name!.startsWith('node:')) packages.add(/^(@[^/]+\/)?[^/]+/.exec(name!)![0]);
    }
  }
  return { files, packages: [...packages].sort() };
}

/** Most start-up time goes into loading modules. A number that has to be raised is a reason to import something where it is used. */
describe('the modules that are loaded', () => {
  it('by importing the package are the tables of options', () => {
    const { files, packages } = loadedWith('index.ts');
    expect(packages).toEqual(['fastest-levenshtein', 'zod']);
    expect(files.size).toBeLessThan(30);
  });

  it('by predicting a picture are neither the readers of data sets nor the methods', () => {
    const { files, packages } = loadedWith(
      ...['cli/main.ts', 'cli/run-command.ts', 'cli/commands/predict.ts', 'cli/open-classifier.ts'],
      ...['cli/images.ts', 'classifier/classifier.ts', 'engine/node.ts'],
    );
    expect(packages).toEqual(['commander', 'fastest-levenshtein', 'string-width', 'zod']);
    expect(
      [...files].filter((file) =>
        /^(dataset\/layouts|tuning\/search|scale\/embed\.|methods\/(list|stack|gda)\.|encoder\/(clip|vision)\/)/.test(
          file,
        ),
      ),
    ).toEqual([]);
    expect(files.size).toBeLessThan(205);
  });
});

/** The files of `src` that call something, each with all that is loaded with it. */
const callersOf = (call: string) =>
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /(?<!\.(?:test|fixture|d))\.tsx?$/.test(file))
    .filter((file) => readFileSync(join(src, file), 'utf8').includes(call))
    .map((file) => ({ file, loaded: loadedWith(file).files }));

describe('the shared engine', () => {
  it('is made by the engine of Node, which every module loads that asks for it and does not run in a page', () => {
    // Modules of a page cannot load it. In Node they are loaded by others that do.
    const inPage = reachedFrom('web/worker.ts', 'studio/web/local/worker.ts').files;
    const callers = callersOf('sharedEngine()').filter(
      ({ file }) => !inPage.has(file) && file !== 'engine/shared.ts',
    );
    expect(callers.length).toBeGreaterThan(10);
    expect(callers.filter(({ loaded }) => !loaded.has('engine/node.ts')).map(({ file }) => file)).toEqual([]);
  });
});
