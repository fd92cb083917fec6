import { mkdtemp, readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '../src/math/random.ts';
import { type Ended, type Harm, Place } from './program.ts';
import { type Change, SUBJECTS, type Subject, type Told } from './subjects.ts';

const HOOK = new URL('kill-at.mjs', import.meta.url).href;
/** Seconds in which the next command is done on a busy machine, unless it waits for a lock. */
const PATIENCE = 25;

/** What is known to be kept. A change that was tried and not reported may have been made, as a whole. */
class Ledger implements Told {
  kept = new Set<string>();
  #tried?: Change;

  tried(change: Change): void {
    this.#tried = change;
  }

  done(): void {
    this.kept = this.#after();
    this.#tried = undefined;
  }

  /** Whether what is there is what was reported, with or without the last change. */
  fits(found: ReadonlySet<string>): boolean {
    const same = (kept: ReadonlySet<string>) =>
      kept.size === found.size && [...kept].every((one) => found.has(one));
    const fitting = [this.kept, this.#after()].find(same);
    if (fitting) this.kept = fitting;
    this.#tried = undefined;
    return fitting !== undefined;
  }

  #after(): Set<string> {
    const { add, remove, fit } = this.#tried ?? {};
    const after = new Set(fit ?? this.kept);
    if (add) after.add(add);
    if (remove) after.delete(remove);
    return after;
  }
}

interface Counts {
  killed: number;
  lost: number;
  unreadable: number;
  litter: number;
  slow: number;
  failed: number;
}

const FAULTS = ['lost', 'unreadable', 'litter', 'slow', 'failed'] as const;

/** One subject in a place of its own, killed again and again. */
class Victim {
  readonly counts: Counts = { killed: 0, lost: 0, unreadable: 0, litter: 0, slow: 0, failed: 0 };
  readonly notes: string[] = [];
  readonly #subject: Subject;
  readonly #place: Place;
  readonly #ledger = new Ledger();
  readonly #numbers = numbers();

  private constructor(subject: Subject, place: Place) {
    this.#subject = subject;
    this.#place = place;
  }

  static async make(subject: Subject): Promise<Victim> {
    const place = await new Place(await mkdtemp(join(tmpdir(), 'faults-kill-'))).prepare();
    await subject.prepare(place);
    const victim = new Victim(subject, place);
    victim.#ledger.kept = await subject.kept(place);
    return victim;
  }

  close(): Promise<void> {
    return this.#place.remove();
  }

  /** How many steps on the disk two changes take. */
  async steps(): Promise<number> {
    const path = this.#place.path('count');
    await this.#change(2, { flags: ['--import', HOOK], env: { FAULTS_COUNT: path } });
    return Number(await readFile(path, 'utf8'));
  }

  killAt(step: number): Promise<void> {
    const harm = { flags: ['--import', HOOK], env: { FAULTS_KILL_AT: String(step) } };
    return this.#kill(`at step ${step}`, () => this.#change(2, harm));
  }

  /** Seconds that a change takes from the moment at which it can be harmed. */
  async seconds(): Promise<number> {
    let from = 0;
    await this.#change(1, undefined, () => {
      from = performance.now();
    });
    return (performance.now() - from) / 1000;
  }

  killAfter(seconds: number): Promise<void> {
    return this.#kill(`after ${seconds.toFixed(3)} s`, () =>
      this.#change(1000, undefined, ({ child }) => setTimeout(() => child.kill('SIGKILL'), 1000 * seconds)),
    );
  }

  #change(count: number, harm?: Harm, moment?: Parameters<Subject['change']>[5]): Promise<Ended> {
    return this.#subject.change(this.#place, this.#numbers, count, this.#ledger, harm, moment);
  }

  async #kill(when: string, harm: () => Promise<Ended>): Promise<void> {
    const { signal } = await harm();
    if (signal === 'SIGKILL') this.counts.killed++;
    await this.#check(`killed ${when}`);
    const { status, seconds, stderr } = await this.#change(1);
    if (status !== 0)
      this.#count('failed', `${when}: the next command ends with ${status}: ${stderr.slice(-300)}`);
    if (seconds > PATIENCE) this.#count('slow', `${when}: the next command takes ${seconds.toFixed(1)} s`);
    await this.#check(`the one after the one killed ${when}`);
    const litter = await this.#place.litter();
    if (litter.length > 0) this.#count('litter', `${when}: ${litter.join(', ')}`);
  }

  async #check(when: string): Promise<void> {
    try {
      const found = await this.#subject.kept(this.#place);
      if (this.#ledger.fits(found)) return;
      this.#count(
        'lost',
        `${when}: ${found.size} pictures are there, ${this.#ledger.kept.size} were reported`,
      );
      this.#ledger.kept = found;
    } catch (error) {
      this.#count('unreadable', `${when}: ${(error as Error).message}`);
    }
  }

  #count(what: keyof Counts, note: string): void {
    this.counts[what]++;
    this.notes.push(`${what}, ${note}`);
  }
}

function* numbers(): Generator<number, never> {
  for (let number = 1000; ; number++) yield number;
}

/** Kills each subject at each of its steps on the disk, then all of them at `rounds` random moments. */
export async function runKills({ rounds, seed }: { rounds: number; seed: number }) {
  const lines: string[] = [];
  let faults = 0;
  const tell = (what: string, { counts, notes }: Victim) => {
    const bad = FAULTS.reduce((sum, fault) => sum + counts[fault], 0);
    faults += bad;
    lines.push(
      `  ${what}: ${Object.entries(counts)
        .map(([name, n]) => `${name} ${n}`)
        .join(', ')}`,
    );
    lines.push(...notes.slice(0, 5).map((note) => `    ${note}`));
  };
  const names = Object.keys(SUBJECTS);
  await inParallel(names, async (name) => {
    const victim = await Victim.make(SUBJECTS[name]);
    const steps = await victim.steps();
    for (let step = 1; step <= steps; step++) await victim.killAt(step);
    tell(`${name}, at each of ${steps} steps on the disk`, victim);
    const draw = random('kill', seed, name);
    const seconds = name.includes('changes') ? 1 : await victim.seconds();
    const again = await Victim.make(SUBJECTS[name]);
    const own = Math.ceil(rounds / names.length);
    for (let round = 0; round < own; round++) await again.killAfter(1.1 * seconds * draw.uniform());
    tell(`${name}, at ${own} random moments`, again);
    for (const one of [victim, again]) await one.close();
  });
  return { lines: [`kill -9, seed ${seed}`, ...lines.sort()], faults };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
