import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '..', 'src');

/** Static imports and re-exports of values. Types are erased, and `import()` runs later. */
const IMPORT = /^(?:(?:import|export)\s+(?!type\b)[^'"]*?\bfrom\s*|import\s+)'([^']+)'/gm;

/** What is loaded with a module: files of `src`, and packages. */
function loadedWith(...entries: string[]): { files: Set<string>; packages: string[] } {
  const files = new Set(entries);
  const packages = new Set<string>();
  for (const file of files) {
    for (const [, name] of readFileSync(join(src, file), 'utf8').matchAll(IMPORT)) {
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
