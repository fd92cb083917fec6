// npm start: installs what is missing, builds what is stale, and shows what the program does.
// `npm start` runs the demo on sample pictures, `npm start -- ./my-photos` on your own.
import { join } from 'node:path';
import { install, newest, root, tryRun } from './npm.mjs';

install();
if (newest(join(root, 'dist')) < newest(join(root, 'src'))) {
  const status = tryRun(process.execPath, [join(root, 'scripts', 'build.mjs')]);
  if (status !== 0) process.exit(status);
}
// Paths given by a person are relative to their current folder, not to the package.
process.exitCode = tryRun(
  process.execPath,
  [join(root, 'dist', 'cli', 'main.js'), 'demo', ...process.argv.slice(2)],
  {
    cwd: process.env.INIT_CWD ?? process.cwd(),
  },
);
