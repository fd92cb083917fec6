import { install, runTool } from './npm.mjs';

install();
process.exitCode = runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
