// Loaded before the program (`--import`). Attaches strace to the existing threads after all modules are loaded, so that only calls of the
// program itself fail.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const { FAULTS_STRACE } = process.env;
if (isMainThread && FAULTS_STRACE) {
  const { modules, options, thread } = JSON.parse(FAULTS_STRACE);
  delete process.env.FAULTS_STRACE;
  for (const module of modules) await import(module);
  // The threads of the pool start with the first call.
  await fs.promises.stat('/');
  const threads = fs
    .readdirSync('/proc/self/task')
    .map(Number)
    .sort((a, b) => a - b);
  const watched = thread === undefined ? threads : [threads[thread]];
  if (process.env.FAULTS_THREADS) fs.writeFileSync(process.env.FAULTS_THREADS, threads.join(' '));
  const tracer = spawn('strace', [...options, ...watched.flatMap((id) => ['-p', id])], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  await new Promise((resolve, reject) => {
    let told = '';
    tracer.stderr.on('data', (text) => {
      told += text;
      if (told.split(' attached').length > watched.length) resolve();
    });
    tracer.on('exit', () => reject(new Error(`strace ends: ${told}`)));
  });
  tracer.stderr.destroy();
  tracer.unref();
}
