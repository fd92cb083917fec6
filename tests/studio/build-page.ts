import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { built } from '../built.ts';

const config = join(import.meta.dirname, '../../src/studio/web/vite.config.ts');

/** Builds the page and returns its folder. */
export async function buildPage(folder: string): Promise<string> {
  const outDir = join(folder, 'page');
  await build({ configFile: config, build: { outDir } });
  return outDir;
}

/** The folder of the page that the tests of a run share. The first test that needs it builds it. */
export async function sharedPage(): Promise<string> {
  const folder = built('studio');
  if (existsSync(folder)) return join(folder, 'page');
  const fresh = `${folder}-${randomUUID()}`;
  await buildPage(fresh);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another process has built it at the same time.
    rmSync(fresh, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return join(folder, 'page');
}
