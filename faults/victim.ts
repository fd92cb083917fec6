import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, type Harm, Place } from './program.ts';
import { type Change, type Moment, SUBJECTS, type Subject, type Told } from './subjects.ts';

/** Seconds that the next command may take on a busy machine. Longer means that it waits for a lock. */
const PATIENCE = 25;

/** The expected data. A change that was started but not confirmed may be there completely or not at all. */
class Ledger implements Told {
  kept: ReadonlySet<string>;
  #tried?: Change;

  constructor(kept: ReadonlySet<string>) {
    this.kept = kept;
  }

  tried(change: Change): void {
    this.#tried = change;
  }

  done(): void {
    this.kept = this.#after();
    this.#tried = undefined;
  }

  /** Whether the data agree with the confirmed changes, with or without the last unconfirmed one. */
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

/** The kinds of faults, which must not occur. */
const FAULTS = [
  'lost',
  'corrupt',
  'litter',
  'slow',
  'failed',
  'signal',
  'unnamed error',
  'unharmed',
] as const;
export type Fault = (typeof FAULTS)[number];

/** A subject in its own folder that is disturbed repeatedly. */
export class Victim {
  readonly place: Place;
  readonly #subject: Subject;
  readonly #ledger: Ledger;
  readonly #numbers = numbers();
  readonly #counts = new Map<string, number>();
  readonly #notes: string[] = [];

  private constructor(subject: Subject, place: Place, kept: ReadonlySet<string>) {
    this.#subject = subject;
    this.place = place;
    this.#ledger = new Ledger(kept);
  }

  static async make(name: string): Promise<Victim> {
    const subject = SUBJECTS[name]!;
    const place = await new Place(await mkdtemp(join(tmpdir(), 'faults-'))).prepare();
    await subject.prepare(place);
    return new Victim(subject, place, await subject.kept(place));
  }

  close(): Promise<void> {
    return this.place.remove();
  }

  async change(count: number, harm?: Harm, moment?: Moment): Promise<Ended> {
    const ended = await this.#subject.change(this.place, this.#numbers, count, this.#ledger, harm, moment);
    if (ended.late) this.fault('slow', `does not end: ${JSON.stringify(harm ?? {})}`);
    return ended;
  }

  /** Compares the stored data with the confirmed changes. */
  async check(when: string): Promise<void> {
    try {
      const found = await this.#subject.kept(this.place);
      if (this.#ledger.fits(found)) return;
      this.fault(
        'lost',
        `${when}: ${found.size} pictures are there, ${this.#ledger.kept.size} were reported`,
      );
      this.#ledger.kept = found;
    } catch (error) {
      this.fault('corrupt', `${when}: ${(error as Error).message}`);
    }
  }

  /** Makes an undisturbed change, as the next user would. It must succeed without waiting and leave no temporary files. */
  async goOn(when: string): Promise<void> {
    const { status, seconds, stderr } = await this.change(1);
    if (status !== 0)
      this.fault('failed', `${when}: the next command ends with ${status}: ${stderr.slice(-300)}`);
    if (seconds > PATIENCE) this.fault('slow', `${when}: the next command takes ${seconds.toFixed(1)} s`);
    await this.check(`the next command, ${when}`);
    const litter = await this.place.litter();
    if (litter.length > 0) this.fault('litter', `${when}: ${litter.join(', ')}`);
  }

  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  fault(what: Fault, note: string): void {
    this.count(what);
    this.#notes.push(`${what}, ${note}`);
  }

  get faults(): number {
    return this.#notes.length;
  }

  /** A line with `what` and its counts, followed by the first faults. */
  report(what: string): string {
    const counts = [...new Set([...this.#counts.keys(), ...FAULTS])].map(
      (name) => `${name} ${this.#counts.get(name) ?? 0}`,
    );
    return [`  ${what}: ${counts.join(', ')}`, ...this.#notes.slice(0, 8).map((note) => `    ${note}`)].join(
      '\n',
    );
  }
}

function* numbers(): Generator<number, never> {
  for (let number = 1000; ; number++) yield number;
}

/** Works on items in parallel, as many at a time as there are processors. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
