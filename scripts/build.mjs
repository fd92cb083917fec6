// Builds the package into dist. Types are not checked, which `npm run check` does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { install, root } from './npm.mjs';

const TSC = 'typescript/bin/tsc';
const VITE = 'vite/bin/vite.js';
const STEPS = [
  [TSC, '-p', 'tsconfig.build.json', '--noCheck'],
  [TSC, '-p', 'src/web/tsconfig.json', '--noCheck', '--noEmit', 'false', '--outDir', 'dist'],
  [VITE, 'build', '--config', 'src/studio/web/vite.config.ts'],
  [VITE, 'build', '--config', 'src/export/page/vite.config.ts'],
];

install();
rmSync(join(root, 'dist'), { recursive: true, force: true });
const statuses = await Promise.all(
  STEPS.map(async ([tool, ...args]) => {
    const child = spawn(process.execPath, [join(root, 'node_modules', tool), ...args], {
      stdio: 'inherit',
      cwd: root,
    });
    const [status] = await once(child, 'exit');
    return status ?? 1;
  }),
);
process.exitCode = statuses.find((status) => status !== 0) ?? 0;
// Imported after the dependencies are installed.
if (process.exitCode === 0) await (await import('./carry.mjs')).carry();
