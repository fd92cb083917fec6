// Loaded before the program (`--import`). Counts the calls that change the disk, and kills the program (SIGKILL) before or after one of them.
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const wanted = Number(process.env.FAULTS_KILL_AT);
let steps = 0;
function step() {
  if (++steps === wanted) process.kill(process.pid, 'SIGKILL');
}

const CHANGES = [
  'appendFile',
  'copyFile',
  'link',
  'mkdir',
  'rename',
  'rm',
  'rmdir',
  'truncate',
  'unlink',
  'utimes',
  'writeFile',
];
const ON_FILES = ['appendFile', 'datasync', 'sync', 'truncate', 'write', 'writeFile', 'writev'];
const SYNC = [
  'ftruncateSync',
  'linkSync',
  'mkdirSync',
  'renameSync',
  'rmSync',
  'unlinkSync',
  'writeFileSync',
  'writeSync',
];

function wrap(holder, name, counts = () => true) {
  const real = holder[name];
  holder[name] = function (...args) {
    if (!counts(...args)) return real.apply(this, args);
    step();
    const result = real.apply(this, args);
    if (result instanceof Promise) {
      return result.then(
        (value) => {
          step();
          return value;
        },
        (error) => {
          step();
          throw error;
        },
      );
    }
    step();
    return result;
  };
}

/** Whether a file is opened for writing. */
const writes = (_, flags = 'r') => (typeof flags === 'number' ? (flags & 3) !== 0 : /[wa+]/.test(flags));

if (isMainThread) {
  const file = await promises.open(process.execPath);
  const { prototype } = file.constructor;
  await file.close();
  for (const name of CHANGES) wrap(promises, name);
  for (const name of ON_FILES) wrap(prototype, name);
  for (const name of SYNC) wrap(fs, name);
  wrap(promises, 'open', writes);
  wrap(fs, 'openSync', writes);
  syncBuiltinESMExports();
  const { FAULTS_COUNT } = process.env;
  const write = fs.writeFileSync;
  if (FAULTS_COUNT) process.on('exit', () => write(FAULTS_COUNT, String(steps)));
}
