import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Each folder may import only from itself and from earlier folders. All may import files directly in src (errors, options). */
const LAYERS = [
  'math',
  'store',
  'graph',
  'engine',
  'linalg',
  'metrics',
  'methods',
  'adaptation',
  'tuning',
  'image',
  'encoder',
  'dataset',
  'classifier',
  'web',
  'bench',
  'report',
  'scale',
  'export',
  'server',
  'studio',
  'cli',
];

/** Folders that run unchanged in a browser: no platform modules outside files named node.ts or worker.ts. */
const PORTABLE = ['math', 'graph', 'linalg', 'metrics', 'methods', 'adaptation', 'tuning'];

const src = join(import.meta.dirname, '..', 'src');
const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter(
    (entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|fixture|d)\.ts$/.test(entry.name),
  )
  .map((entry) => posix.join(entry.parentPath.slice(src.length + 1).replaceAll('\\', '/'), entry.name));

const folderOf = (file: string): string => file.slice(0, file.indexOf('/'));

const importsOf = (file: string): string[] =>
  [...readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(
    ([, name]) => name!,
  );

describe('layers', () => {
  it('cover every folder', () => {
    const folders = new Set(files.filter((file) => file.includes('/')).map(folderOf));
    expect([...folders].filter((folder) => !LAYERS.includes(folder))).toEqual([]);
  });

  it.each(files.filter((file) => file.includes('/')))(
    '%s imports only from its own layer and those before',
    (file) => {
      const own = LAYERS.indexOf(folderOf(file));
      for (const name of importsOf(file).filter((imported) => imported.startsWith('.'))) {
        const imported = posix.join(posix.dirname(file), name);
        if (!imported.includes('/')) continue;
        expect(LAYERS.indexOf(folderOf(imported)), `${file} imports ${name}`).toBeLessThanOrEqual(own);
      }
    },
  );

  it.each(files.filter((file) => PORTABLE.includes(folderOf(file))))('%s needs no platform', (file) => {
    expect(importsOf(file).filter((name) => name.startsWith('node:') || name === 'sharp')).toEqual([]);
  });

  it('are without circles of files', () => {
    expect(circles(files.map((file): [string, string[]] => [file, filesOf(file)]))).toEqual([]);
    // Tests of the search: it finds a circle of three files, and none if two paths lead to one file.
    expect(
      circles([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['a']],
      ]),
    ).toEqual(['a > b > c > a']);
    expect(
      circles([
        ['a', ['b', 'c']],
        ['b', ['d']],
        ['c', ['d']],
        ['d', []],
      ]),
    ).toEqual([]);
  });
});

function filesOf(file: string): string[] {
  return importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(file), name));
}

/** The circles: one for each import that leads back to a file on the current path. */
function circles(imports: readonly (readonly [string, readonly string[]])[]): string[] {
  const next = new Map(imports);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    const at = way.indexOf(file);
    if (at >= 0) found.push([...way.slice(at), file].join(' > '));
    if (at >= 0 || done.has(file)) return;
    for (const other of next.get(file) ?? []) visit(other, [...way, file]);
    done.add(file);
  };
  for (const [file] of imports) visit(file, []);
  return found;
}

/** Folders whose loops add up numbers. */
const COMPUTING = [...PORTABLE, 'engine', 'image', 'classifier'];

it('declares each number of a sum by itself, because V8 keeps numbers of a pattern on the heap', () => {
  const patterns = COMPUTING.flatMap((folder) =>
    readdirSync(join('src', folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => join('src', folder, file))
      .filter((file) => /let \[[^\]]*\] = \[-?[\d.]/.test(readFileSync(file, 'utf8'))),
  );
  expect(patterns).toEqual([]);
});
