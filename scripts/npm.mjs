// Functions that the npm scripts share. They use only Node, so that they run on any platform before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a program with this process's standard streams. If it fails, ends this process with its status. */
function run(command, args, options = {}) {
  const status = tryRun(command, args, options);
  if (status !== 0) process.exit(status);
}

/** Runs a program with this process's standard streams, and returns its exit status. */
export function tryRun(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (result.error) throw result.error;
  return result.status ?? 130;
}

/** Runs the JavaScript entry point of an installed package with this Node or another one. */
export function runTool(path, args, options, node = process.execPath) {
  return tryRun(node, [join(root, 'node_modules', path), ...args], options);
}

/** The install script of onnxruntime-node is skipped: it only downloads CUDA libraries, which the CPU does not need, and fails offline. */
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };

/** Installs the dependencies if they are missing or older than the lock file. */
export function install() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(
      `tip-adapter needs Node.js 20.19 or newer; this is ${process.versions.node}. Get it from https://nodejs.org`,
    );
    process.exit(1);
  }
  const stamp = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error('Installing dependencies (once, about a minute) …');
  npmCi(root);
}

/** Installs the packages of a folder's lock file. Ends this process if that fails. */
export function npmCi(folder) {
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
}

/** Runs npm. Ends this process if that fails. */
export function npm(args, options) {
  // npm_execpath is npm's script, which the running Node can execute without a shell, also on Windows.
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) run(process.execPath, [script, ...args], { env, ...options });
  else run('npm', args, { env, shell: process.platform === 'win32', ...options });
}

/** Time of the newest file below a folder, in ms. */
export function newest(folder) {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);
}
