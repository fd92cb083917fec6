import { readFile } from 'node:fs/promises';
import { random } from '../src/math/random.ts';
import { SUBJECTS } from './subjects.ts';
import { inParallel, Victim } from './victim.ts';

const HOOK = new URL('kill-at.mjs', import.meta.url).href;

/** Kills each subject before and after each of its steps on the disk, then all subjects together at `rounds` random moments. */
export async function runKills({
  rounds,
  seed,
  subject,
}: {
  rounds: number;
  seed: number;
  subject?: string;
}) {
  let faults = 0;
  console.log(`\nkill -9, seed ${seed}`);
  const names = subject === undefined ? Object.keys(SUBJECTS) : [subject];
  const each = Math.ceil(rounds / names.length);
  const ways = names.flatMap((name) => [
    { name, what: 'at each of its steps on the disk', kill: killAtSteps },
    { name, what: `at ${each} random moments`, kill: (one: Victim) => killAtRandom(one, name, each, seed) },
  ]);
  await inParallel(ways, async ({ name, what, kill }) => {
    const victim = await Victim.make(name);
    await kill(victim);
    console.log(victim.report(`${name}, ${what}`));
    faults += victim.faults;
    await victim.close();
  });
  return { lines: [], faults };
}

async function killAtSteps(victim: Victim): Promise<void> {
  const path = victim.place.path('steps');
  const hooked = (env: Record<string, string>) => victim.change(2, { flags: ['--import', HOOK], env });
  await hooked({ FAULTS_COUNT: path });
  const steps = Number(await readFile(path, 'utf8'));
  for (let step = 1; step <= steps; step++) {
    const { signal } = await hooked({ FAULTS_KILL_AT: String(step) });
    await afterwards(victim, signal, `killed at step ${step} of ${steps}`);
    // Later changes may need a few steps less than the first one.
    if (signal !== 'SIGKILL' && step <= steps / 2)
      victim.fault('unharmed', `not killed at step ${step} of ${steps}`);
  }
}

async function killAtRandom(victim: Victim, name: string, rounds: number, seed: number): Promise<void> {
  const draw = random('kill', seed, name);
  let from = 0;
  await victim.change(1, undefined, () => {
    from = performance.now();
  });
  // A server makes changes until it is stopped.
  const longest = name.includes('changes') ? 1000 : 1.1 * (performance.now() - from);
  for (let round = 0; round < rounds; round++) {
    const after = longest * draw.uniform();
    const { signal } = await victim.change(1000, undefined, ({ child }) => {
      setTimeout(() => child.kill('SIGKILL'), after);
    });
    await afterwards(victim, signal, `killed after ${after.toFixed(0)} ms`);
  }
}

async function afterwards(victim: Victim, signal: string | null, when: string): Promise<void> {
  if (signal === 'SIGKILL') victim.count('killed');
  await victim.check(when);
  await victim.goOn(when);
}
