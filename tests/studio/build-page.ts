import { join } from 'node:path';
import { build } from 'vite';

const config = join(import.meta.dirname, '../../src/studio/web/vite.config.ts');

/** Builds the page and returns its folder. */
export async function buildPage(folder: string): Promise<string> {
  const outDir = join(folder, 'page');
  await build({ configFile: config, build: { outDir } });
  return outDir;
}
