// Builds the package into dist. Types are not checked, which `npm run check` does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, newest, root } from './npm.mjs';

const TSC = 'typescript/bin/tsc';
const VITE = 'vite/bin/vite.js';
/** The command line, the server and the library. */
const PROGRAM = [[TSC, '-p', 'tsconfig.build.json', '--noCheck']];
/** What runs in a browser. */
const PAGES = [
  [TSC, '-p', 'src/web/tsconfig.json', '--noCheck', '--noEmit', 'false', '--outDir', 'dist'],
  [VITE, 'build', '--config', 'src/studio/web/vite.config.ts'],
  [VITE, 'build', '--config', 'src/export/page/vite.config.ts'],
];
/** Exists while dist is whole: a build may be interrupted. */
const STAMP = join(root, '.cache', 'dist-is-whole');

/** Whether dist is whole and not older than the sources. */
export function isBuilt() {
  return existsSync(STAMP) && newest(join(root, 'dist')) >= newest(join(root, 'src'));
}

/** Builds the command line, the server and the library. Resolves with the exit status. */
export async function buildProgram() {
  rmSync(STAMP, { force: true });
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  return runAll(PROGRAM);
}

/** Builds what runs in a browser. Resolves with the exit status. */
export async function buildPages() {
  const status = await runAll(PAGES);
  if (status !== 0) return status;
  // Imported after the dependencies are installed.
  await (await import('./carry.mjs')).carry();
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  return 0;
}

async function runAll(steps) {
  const statuses = await Promise.all(
    steps.map(async ([tool, ...args]) => {
      const program = join(root, 'node_modules', tool);
      const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit', cwd: root });
      const [status] = await once(child, 'exit');
      return status ?? 1;
    }),
  );
  return statuses.find((status) => status !== 0) ?? 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  install();
  process.exitCode = (await buildProgram()) || (await buildPages());
}
