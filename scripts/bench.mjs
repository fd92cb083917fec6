import { install, root, tryRun } from './npm.mjs';

install();
process.exitCode = tryRun(
  process.execPath,
  ['--import', './tests/typescript.mjs', 'bench/main.ts', ...process.argv.slice(2)],
  { cwd: root },
);
