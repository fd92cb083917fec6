import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import type { BenchSource } from '../bench/bench-source.ts';

const folder = await mkdtemp(join(tmpdir(), 'tip-adapter-extensions-'));
afterAll(() => rm(folder, { recursive: true }));

/** The names of fits in a process that imports this module: of its two methods, of a built-in one, and of `auto`. */
async function namesWith(file: string, weight: number): Promise<Record<string, string>> {
  const parts = ['fit', 'holds', 'prepare', 'terms'].map((part) => `${part}: () => ${weight}`).join();
  const path = join(folder, file);
  await writeFile(
    path,
    `export const own = { id: 'own', needs: [], options: {}, ${parts} };
     export const candidate = { ...own, id: 'candidate', auto: { order: 9, closedForm: true } };`,
  );
  vi.resetModules();
  const { importExtensions } = await import('./extensions.ts');
  const { cellsName } = await import('../bench/cell.ts');
  expect((await importExtensions(path)).sort()).toEqual(['candidate', 'own']);
  const source = { fingerprint: 'f', name: 'made' } as BenchSource;
  const nameOf = (method: string) => cellsName(source, { method, shots: 1, seed: 1, protocol: 'folds' });
  return { own: nameOf('own'), auto: nameOf('auto'), gda: nameOf('gda') };
}

it('names fits of the methods of a module by its file, and other fits without it', async () => {
  const first = await namesWith('first.mjs', 1);
  const edited = await namesWith('edited.mjs', 2);
  expect(edited.own).not.toBe(first.own);
  expect(edited.auto).not.toBe(first.auto);
  expect(edited.gda).toBe(first.gda);
});
