import { install, root, tryRun } from './npm.mjs';

install();
process.exitCode = tryRun(
  process.execPath,
  ['--import', './tests/typescript.mjs', 'faults/main.ts', ...process.argv.slice(2)],
  { cwd: root },
);
