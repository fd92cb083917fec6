// Continuous integration: everything that a change must pass. The last line printed is `N passed, N failed`, summed over all runs.
// A failed check counts as one failure, and so does a run that ends without its numbers.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, tryRun } from './npm.mjs';

/** The versions of Node to test besides the machine's: the newest release of each supported line. */
const OTHER_NODES = ['22', '24', '26'];
/** The tests that depend on Node's version: files, native libraries, threads, processes, sockets. */
const FOLDERS = ['store', 'classifier', 'encoder', 'engine', 'image', 'dataset', 'server', 'cli'];

const folder = mkdtempSync(join(tmpdir(), 'tip-adapter-ci-'));
const script = (name, args, env) =>
  tryRun(process.execPath, [join(root, 'scripts', name), ...args], { env: { ...process.env, ...env } });

function test(name, args) {
  const counts = join(folder, 'counts.json');
  rmSync(counts, { force: true });
  const status = script(name, args, { TIP_ADAPTER_TEST_COUNTS: counts });
  try {
    const { passed, failed } = JSON.parse(readFileSync(counts, 'utf8'));
    return { passed, failed: failed || (status === 0 ? 0 : 1) };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const runs = [
  ['checks', () => ({ passed: 0, failed: script('check.mjs', []) === 0 ? 0 : 1 })],
  [`tests on Node ${process.versions.node}`, () => test('test.mjs', [])],
  ...OTHER_NODES.map((version) => [
    `tests on Node ${version}`,
    () => test('test.mjs', ['--node', version, ...FOLDERS.map((name) => `src/${name}/`)]),
  ]),
  ['installed with npm, and run on Bun and Deno', () => test('test-install.mjs', ['npm'])],
];
const results = runs.map(([name, run]) => {
  console.log(`\n=== ${name}`);
  const started = Date.now();
  return { name, ...run(), seconds: Math.round((Date.now() - started) / 1000) };
});
rmSync(folder, { recursive: true });
console.log();
for (const { name, passed, failed, seconds } of results)
  console.log(`${name}: ${passed} passed, ${failed} failed in ${seconds} s`);
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
