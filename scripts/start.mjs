// npm start: installs what is missing, builds what is stale, and shows what the program does.
// `npm start` runs the demo on sample pictures, `npm start -- ./my-photos` on your own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { arePagesBuilt, buildPages, buildProgram, isProgramBuilt } from './build.mjs';
import { install, root } from './npm.mjs';

install();
if (!isProgramBuilt()) {
  const status = await buildProgram();
  if (status !== 0) process.exit(status);
}
// The demo needs no page, and at first it mostly downloads.
const pages = arePagesBuilt() ? 0 : buildPages();
const main = join(root, 'dist', 'cli', 'main.js');
const demo = spawn(process.execPath, [main, 'demo', ...process.argv.slice(2)], {
  stdio: 'inherit',
  // Paths given by a person are relative to their current folder, not to the package.
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
const [status] = await once(demo, 'exit');
const pagesStatus = await pages;
if (pagesStatus !== 0) console.error('The pages of the studio and of exports could not be built.');
process.exitCode = (status ?? 130) || pagesStatus;
