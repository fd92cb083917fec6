import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { built } from './built.ts';

/** The folder of a page's source in `src/`. */
type PageSource = 'studio/web' | 'export/page';

/** Builds a page into a folder. */
export async function buildPage(source: PageSource, outDir: string): Promise<void> {
  const configFile = join(import.meta.dirname, '../src', source, 'vite.config.ts');
  await build({ configFile, build: { outDir, emptyOutDir: true } });
}

/** The folder of a built page that the tests of a run share. The first test that needs it builds it. */
export async function sharedPage(source: PageSource): Promise<string> {
  const folder = built(`pages/${source}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}-${randomUUID()}`;
  await buildPage(source, fresh);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another process has built it at the same time.
    rmSync(fresh, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
