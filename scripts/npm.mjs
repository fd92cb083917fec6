// Small things the npm scripts share: Node alone, so that they run before anything is installed, on any platform.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a program with our standard streams; ends this process with its status if it fails. */
function run(command, args, options = {}) {
  const status = tryRun(command, args, options);
  if (status !== 0) process.exit(status);
}

/** Runs a program with our standard streams and returns its exit status. */
export function tryRun(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (result.error) throw result.error;
  return result.status ?? 130;
}

/** Runs the JavaScript entry point of an installed package, on this Node or another one. */
export function runTool(path, args, options, node = process.execPath) {
  return tryRun(node, [join(root, 'node_modules', path), ...args], options);
}

/** onnxruntime-node's install script only fetches CUDA libraries: it fails off line and the CPU does not need it. */
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };

/** Installs the dependencies where they are missing or older than the lock file. */
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

/** Installs what the lock file of a folder says; ends this process if that fails. */
export function npmCi(folder) {
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
}

/** Runs npm; ends this process if that fails. */
export function npm(args, options) {
  // npm is a script of the running Node's: through npm_execpath no shell is needed, on Windows either.
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
