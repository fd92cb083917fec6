// Continuous integration: everything that a change must pass. The failures of all runs are printed at the end, so that the last lines of
// a log show them, and the last line is `N passed, N failed`, summed over all runs.
// A failed check counts as one failure, and so does a run that ends without its numbers.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, tryRun } from './npm.mjs';

/** The tests that depend on Node's version: files, native libraries, threads, processes, sockets. */
const DEPENDENT = ['store', 'classifier', 'encoder', 'engine', 'image', 'dataset', 'scale', 'server', 'cli'];
/** Those of them that use one of these directly: the others reach Node through the same modules. */
const DIRECT = [
  'store/',
  'engine/',
  'image/',
  'dataset/parquet',
  'scale/worker',
  'scale/bull-queue',
  'server/process',
  'server/load',
  'cli/commands',
  'cli/terminal',
];
/**
 * The tests for the newest release of each other supported line of Node. A change of Node stays in its later lines, so the newest line
 * runs all dependent tests, and the lines between it and the machine's run those that use Node directly.
 */
const OTHER_NODES = { 22: DIRECT, 24: DIRECT, 26: DEPENDENT.map((folder) => `${folder}/`) };

const folder = mkdtempSync(join(tmpdir(), 'tip-adapter-ci-'));
const script = (name, args, env) =>
  tryRun(process.execPath, [join(root, 'scripts', name), ...args], { env: { ...process.env, ...env } });

function test(name, args) {
  const counts = join(folder, 'counts.json');
  rmSync(counts, { force: true });
  const status = script(name, args, { TIP_ADAPTER_TEST_COUNTS: counts });
  try {
    const { passed, failures } = JSON.parse(readFileSync(counts, 'utf8'));
    return { passed, failures: failures.length || status === 0 ? failures : [`status ${status}`] };
  } catch {
    return { passed: 0, failures: ['no counts were written'] };
  }
}

/** Installs Redis where Debian's packages are at hand, because tests without it are skipped. */
function installRedis() {
  const runs = (name, args, options) => spawnSync(name, args, { stdio: 'ignore', ...options }).status === 0;
  if (runs('redis-server', ['--version']) || !runs('apt-get', ['--version'])) return;
  console.log('\n=== installing redis-server');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => runs('apt-get', args, { stdio: 'inherit', env });
  // The lists of packages may be missing or old.
  const install = () => apt('install', '--yes', '--no-install-recommends', 'redis-server');
  if (!install() && !(apt('update') && install()))
    console.log('redis-server could not be installed; the tests that need it are skipped.');
}

installRedis();
const runs = [
  ['checks', () => ({ passed: 0, failures: script('check.mjs', []) === 0 ? [] : ['npm run check'] })],
  [`tests on Node ${process.versions.node}`, () => test('test.mjs', [])],
  ...Object.entries(OTHER_NODES).map(([version, tests]) => [
    `tests on Node ${version}`,
    () => test('test.mjs', ['--node', version, ...tests.map((path) => `src/${path}`)]),
  ]),
  ['installed with npm, and run on Bun and Deno', () => test('test-install.mjs', ['npm'])],
  ['pages of each bundler', () => test('test-examples.mjs', ['bundlers', 'vite-react', 'web-worker'])],
];
const results = runs.map(([name, run]) => {
  console.log(`\n=== ${name}`);
  const started = Date.now();
  return { name, ...run(), seconds: Math.round((Date.now() - started) / 1000) };
});
rmSync(folder, { recursive: true });
console.log();
for (const { name, failures } of results)
  for (const failure of failures) console.log(`failed: ${name}: ${failure}`);
for (const { name, passed, failures, seconds } of results)
  console.log(`${name}: ${passed} passed, ${failures.length} failed in ${seconds} s`);
const passed = results.reduce((total, result) => total + result.passed, 0);
const failed = results.reduce((total, result) => total + result.failures.length, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
