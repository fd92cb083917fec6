import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { install, root, runTool } from './npm.mjs';

install();
rmSync(join(root, 'dist'), { recursive: true, force: true });
const failed =
  runTool('typescript/bin/tsc', ['-p', 'tsconfig.build.json']) ||
  runTool('typescript/bin/tsc', ['-p', 'src/web/tsconfig.json', '--noEmit', 'false', '--outDir', 'dist']) ||
  runTool('vite/bin/vite.js', ['build', '--config', 'src/studio/web/vite.config.ts']) ||
  runTool('vite/bin/vite.js', ['build', '--config', 'src/export/page/vite.config.ts']);
// Imported after the dependencies are installed.
if (failed) process.exitCode = failed;
else await (await import('./carry.mjs')).carry();
