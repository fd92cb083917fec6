// The tests kill the built program; everything else runs from the sources.
import { install, root, runTool, tryRun } from './npm.mjs';

install();
process.exitCode =
  runTool('typescript/bin/tsc', ['-p', 'tsconfig.build.json']) ||
  tryRun(
    process.execPath,
    ['--import', './tests/typescript.mjs', 'faults/main.ts', ...process.argv.slice(2)],
    { cwd: root },
  );
