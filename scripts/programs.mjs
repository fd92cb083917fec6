// Programs from npm for the tests: other versions of Node, Bun, Deno, package managers. Each is installed at its first use into a
// folder of its own in .cache.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { npm, root } from './npm.mjs';

/** The npm package with Node's binary for this platform. */
const NODE = [
  process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node',
  process.platform === 'win32' ? 'win' : process.platform,
  process.arch,
].join('-');

/** The folder with the commands of a package ("pnpm@12"). */
export function programFolder(spec) {
  const folder = join(root, '.cache', 'programs', spec.replace('/', '+'));
  const commands = join(folder, 'node_modules', '.bin');
  if (!existsSync(commands)) {
    console.error(`Installing ${spec} for the tests (once)`);
    mkdirSync(folder, { recursive: true });
    npm(['install', '--prefix', folder, '--no-audit', '--no-fund', spec]);
  }
  return commands;
}

/** The binary of another version of Node, given as npm takes versions ("24", "26.10.0"). */
export function nodeBinary(version) {
  const commands = programFolder(`${NODE}@${version}`);
  return process.platform === 'win32'
    ? join(commands, '..', NODE, 'bin', 'node.exe')
    : join(commands, 'node');
}
