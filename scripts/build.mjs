// Builds the package into dist. Types are not checked, which `npm run check` does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, newest, root } from './npm.mjs';

const TSC = 'typescript/bin/tsc';
const VITE = 'vite/bin/vite.js';
/** The command line, the server and the library, and then what `tip-adapter/web` adds: both write the modules that they share. */
const PROGRAM = [
  [TSC, '-p', 'tsconfig.build.json', '--noCheck'],
  [TSC, '-p', 'src/web/tsconfig.json', '--noCheck', '--noEmit', 'false', '--outDir', 'dist'],
];
/** The studio's page and the exported one, in folders of their own. */
const PAGES = [
  [VITE, 'build', '--config', 'src/studio/web/vite.config.ts'],
  [VITE, 'build', '--config', 'src/export/page/vite.config.ts'],
];
/** Exists while dist is whole: a build may be interrupted. */
const STAMP = join(root, '.cache', 'dist-is-whole');

/** Whether dist is whole and not older than the sources. */
export function isBuilt() {
  return existsSync(STAMP) && newest(join(root, 'dist')) >= newest(join(root, 'src'));
}

/** Builds the command line, the server and the library. Nothing changes its modules afterwards. Resolves with the exit status. */
export async function buildProgram() {
  rmSync(STAMP, { force: true });
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  for (const step of PROGRAM) {
    const status = await runTool(step);
    if (status !== 0) return status;
  }
  // Imported after the dependencies are installed.
  await (await import('./carry.mjs')).carry();
  return 0;
}

/** Builds the pages. Resolves with the exit status. */
export async function buildPages() {
  const statuses = await Promise.all(PAGES.map(runTool));
  const status = statuses.find((code) => code !== 0) ?? 0;
  if (status !== 0) return status;
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  return 0;
}

async function runTool([tool, ...args]) {
  const child = spawn(process.execPath, [join(root, 'node_modules', tool), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  install();
  process.exitCode = (await buildProgram()) || (await buildPages());
}
