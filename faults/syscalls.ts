import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Harm } from './program.ts';
import { SUBJECTS } from './subjects.ts';
import { inParallel, Victim } from './victim.ts';

const HOOK = new URL('strace-hook.mjs', import.meta.url).href;
function dist(path: string): string {
  const url = new URL(`../dist/${path}.js`, import.meta.url);
  if (!existsSync(url)) throw new Error(`There is no dist/${path}.js: name the module as it is called now`);
  return url.href;
}

/** Calls that change the disk, and those that read it. */
const CHANGING = [
  'openat',
  'mkdir',
  'write',
  'pwrite64',
  'pwritev',
  'ftruncate',
  'fsync',
  'fdatasync',
  'rename',
  'link',
  'unlink',
];
const READING = ['read', 'pread64', 'statx', 'getdents64', 'readlink', 'close'];

/** All modules that the commands load while they work. */
const MODULES = [
  'cli/program',
  'cli/commands/index',
  'cli/commands/fit',
  'cli/commands/change',
  'cli/commands/serve',
  'classifier/index',
  'encoder/load',
  'encoder/dual-record',
  'dataset/read',
  'engine/node',
  'server/index',
  'studio/index',
  'store/lock',
].map(dist);

/** A call that is made to fail: the index of its thread among those at the start, and the number of the call in the thread. */
interface Place {
  readonly thread: number;
  readonly call: string;
  readonly nth: number;
}

/** Makes each system call of each subject on its own files fail once with EIO, and calls that write also once with ENOSPC. */
export async function runSyscalls({
  rounds,
  seed,
  subject,
}: {
  rounds?: number;
  seed: number;
  subject?: string;
}) {
  if (spawnSync('strace', ['-V']).status !== 0)
    return { lines: ['System calls that fail: skipped, there is no strace'], faults: 0 };
  let faults = 0;
  console.log(`\nSystem calls that fail once with EIO or ENOSPC, seed ${seed}`);
  await inParallel(subject === undefined ? Object.keys(SUBJECTS) : [subject], async (name) => {
    const victim = await Victim.make(name);
    const places = await placesOf(victim);
    const cases = places.flatMap((place) =>
      (CHANGING.includes(place.call) ? ['EIO', 'ENOSPC'] : ['EIO']).map((error) => ({ place, error })),
    );
    const some =
      rounds === undefined ? cases : cases.filter((_, i) => i % Math.ceil(cases.length / rounds) === 0);
    for (const { place, error } of some) await fail(victim, place, error);
    console.log(victim.report(`${name}, ${places.length} calls on its files`));
    faults += victim.faults;
    await victim.close();
  });
  return { lines: [], faults };
}

function traced(
  victim: Victim,
  options: readonly string[],
  thread?: number,
): { harm: Harm; log: string; threads: string } {
  const [log, threads] = [victim.place.path('strace.log'), victim.place.path('threads')];
  const job = { modules: MODULES, options: ['-y', '-s', '0', '-o', log, ...options], thread };
  const env = { FAULTS_STRACE: JSON.stringify(job), FAULTS_THREADS: threads };
  return { harm: { flags: ['--import', HOOK], env }, log, threads };
}

/** All calls on the subject's own files, in the threads that exist from the start. */
async function placesOf(victim: Victim): Promise<Place[]> {
  const { harm, log, threads } = traced(victim, ['-e', `trace=${[...CHANGING, ...READING].join()}`]);
  await victim.change(1, harm);
  await victim.check('watched by strace');
  const ids = (await readFile(threads, 'utf8')).split(' ');
  const counts = new Map<string, number>();
  const places: Place[] = [];
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [, id, call] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
    if (id === undefined || call === undefined) continue;
    const nth = (counts.get(`${id} ${call}`) ?? 0) + 1;
    counts.set(`${id} ${call}`, nth);
    if (isOwn(victim, line)) places.push({ thread: ids.indexOf(id), call, nth });
  }
  return places;
}

/** Whether a call is on a file in the working folder, the home or the folder for temporary files. */
const isOwn = ({ place }: Victim, line: string) =>
  line.replace(/AT_FDCWD<[^>]*>, "(?=\/)/, '').includes(place.folder);

async function fail(victim: Victim, { thread, call, nth }: Place, error: string): Promise<void> {
  const when = `${call} ${nth} of thread ${thread} failing with ${error}`;
  const inject = `inject=${call}:error=${error}:when=${nth}`;
  const { harm, log } = traced(victim, ['-e', `trace=${call}`, '-e', inject], thread);
  const { status, signal, stderr } = await victim.change(1, harm);
  const injected = (await readFile(log, 'utf8')).split('\n').find((line) => line.includes('INJECTED'));
  // The order of threads can differ from the recorded one. Then another call failed, or none.
  if (!injected || !isOwn(victim, injected)) victim.count('missed');
  else if (signal !== null) victim.fault('signal', `${when}: ended by ${signal}; ${injected}`);
  else if (status === 1 || /fault of the program|"unexpected"/.test(stderr))
    victim.fault('unnamed error', `${when}: ${stderr.slice(-400)}; ${injected}`);
  else victim.count(status === 0 ? 'done' : 'named error');
  await victim.check(when);
  if ((await victim.place.litter()).length > 0) await victim.goOn(when);
}
