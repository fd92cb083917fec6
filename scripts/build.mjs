// Builds the package into dist. Types are not checked, which `npm run check` does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
const dist = join(root, 'dist');
/** Exist while these parts of dist are whole, because a build may be interrupted. Their time is that of the sources. */
const PROGRAM_STAMP = join(root, '.cache', 'built-program');
const PAGES_STAMP = join(root, '.cache', 'built-pages');

export const isProgramBuilt = () => isBuilt(PROGRAM_STAMP);
export const arePagesBuilt = () => isBuilt(PAGES_STAMP);

/** Whether a part of dist is whole and not older than the sources. */
function isBuilt(stamp) {
  return existsSync(dist) && existsSync(stamp) && statSync(stamp).mtimeMs >= newest(join(root, 'src'));
}

function setStamp(stamp, started) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
}

/** Builds the command line, the server and the library. Nothing changes its modules afterwards. Resolves with the exit status. */
export async function buildProgram() {
  const started = new Date();
  for (const stamp of [PROGRAM_STAMP, PAGES_STAMP]) rmSync(stamp, { force: true });
  rmSync(dist, { recursive: true, force: true });
  for (const step of PROGRAM) {
    const status = await runTool(step);
    if (status !== 0) return status;
  }
  // Imported after the dependencies are installed.
  await (await import('./carry.mjs')).carry();
  setStamp(PROGRAM_STAMP, started);
  return 0;
}

/** Builds the pages. Resolves with the exit status. */
export async function buildPages() {
  const started = new Date();
  const statuses = await Promise.all(PAGES.map(runTool));
  const status = statuses.find((code) => code !== 0) ?? 0;
  if (status === 0) setStamp(PAGES_STAMP, started);
  return status;
}

async function runTool([tool, ...args]) {
  const child = spawn(process.execPath, [join(root, 'node_modules', tool), ...args], {
    stdio: 'inherit',
    cwd: root,
  });
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) {
  install();
  process.exitCode = (await buildProgram()) || (await buildPages());
}
