import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { npm, root } from './npm.mjs';

/** The npm package that carries Node's binary for this platform. */
const PACKAGE = [
  process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node',
  process.platform === 'win32' ? 'win' : process.platform,
  process.arch,
].join('-');

/**
 * The binary of another Node, by a version that npm understands ("24", "26.10.0"). It is installed at its first use into a
 * folder of its own below node_modules/.cache.
 */
export function nodeBinary(version) {
  const folder = join(root, 'node_modules', '.cache', 'node', version);
  const program = process.platform === 'win32' ? 'node.exe' : 'node';
  const binary = join(folder, 'node_modules', PACKAGE, 'bin', program);
  if (!existsSync(binary)) {
    console.error(`Installing Node ${version} for the tests (once, about 50 MB)`);
    mkdirSync(folder, { recursive: true });
    npm(['install', '--prefix', folder, '--no-audit', '--no-fund', `${PACKAGE}@${version}`]);
  }
  return binary;
}
