import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Campaign, Outcome } from './campaign.ts';
import { FAULTS, OUTCOMES } from './campaign.ts';
import type { Job, Told, Verdict } from './worker.ts';

export interface MutantsOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Run only this mutant, print its details and keep its files. */
  readonly only?: number;
}

/** Runs a campaign's mutants in worker processes with limits. Returns the lines to print and the number of faults. */
export async function runMutants(
  name: string,
  url: URL,
  { rounds, seed, only }: MutantsOptions,
): Promise<{ lines: string[]; faults: number }> {
  const { campaign } = (await import(url.href)) as { campaign: Campaign };
  const root = mkdtempSync(join(tmpdir(), `faults-${name}-`));
  const folder = join(root, 'originals');
  mkdirSync(folder);
  const verdicts: Verdict[] = [];
  const started = performance.now();
  try {
    process.env.TIP_ADAPTER_HOME = join(root, 'home');
    await campaign.prepare(folder);
    const indices = only === undefined ? Array.from({ length: rounds }, (_, i) => i) : [only];
    const ahead = indices[Symbol.iterator]();
    const workers = Math.min(indices.length, availableParallelism());
    await Promise.all(
      Array.from({ length: workers }, async (_, number) => {
        const scratch = join(root, `worker-${number}`);
        const job = { module: url.href, folder, scratch, seed: `${name} ${seed}` };
        for await (const verdict of examined(campaign, job, ahead)) verdicts.push(verdict);
      }),
    );
  } finally {
    if (only === undefined) rmSync(root, { recursive: true, force: true });
  }
  const seconds = (performance.now() - started) / 1000;
  const bad = verdicts.filter(({ outcome }) => FAULTS.includes(outcome)).sort((a, b) => a.index - b.index);
  return {
    lines: [
      `${campaign.title}: ${verdicts.length} mutants, seed ${seed}, ${seconds.toFixed(0)} s`,
      `  ${OUTCOMES.map((outcome) => `${outcome} ${count(verdicts, outcome)}`).join(', ')}`,
      ...(only === undefined ? [] : [`  its files are in ${root}`]),
      ...codes(verdicts),
      ...(only === undefined ? kinds(bad) : bad.map(({ outcome, what }) => `  ${outcome}  ${what}`)),
    ],
    faults: bad.length,
  };
}

/** Groups faults by the first line of the program in their stack trace, with an example mutant for each group. */
function kinds(bad: readonly Verdict[]): string[] {
  const alike = new Map<string, number[]>();
  for (const { index, outcome, what = '' } of bad) {
    const [message = what, ...stack] = what.split('\n');
    const place = stack.find((line) => line.includes('/src/'))?.replace(/^.*\/src\//, 'src/') ?? '';
    const kind = `${outcome}: ${place ? `${place.replace(/\)$/, '')} ${message.replace(/:.*/, '')}` : message}`;
    alike.set(kind, [...(alike.get(kind) ?? []), index]);
  }
  return [...alike].map(([kind, indices]) => `  ${indices.length} x ${kind}  (--only ${indices[0]})`);
}

const count = (verdicts: readonly Verdict[], asked: Outcome) =>
  verdicts.filter(({ outcome }) => outcome === asked).length;

/** Counts of each named error, which show whether the mutants reach all of the code. */
function codes(verdicts: readonly Verdict[]): string[] {
  const counts = new Map<string, number>();
  for (const { outcome, what = '' } of verdicts) {
    if (outcome === 'named error') counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.length > 0 ? [`  errors: ${sorted.map(([code, n]) => `${code} ${n}`).join(', ')}`] : [];
}

/** Examines the remaining mutants in a worker, and starts a new worker after each one that was lost. */
async function* examined(
  campaign: Campaign,
  job: Job,
  ahead: Iterator<number>,
): AsyncGenerator<Verdict, void, undefined> {
  let worker: Worker | undefined;
  try {
    for (let next = ahead.next(); !next.done; next = ahead.next()) {
      worker ??= await Worker.start(campaign, job);
      const verdict = await worker.examine(next.value);
      yield verdict;
      if (!worker.alive) worker = undefined;
    }
  } finally {
    worker?.kill();
  }
}

/** Milliseconds between two checks of a worker's memory. */
const LOOK = 100;
/** Seconds for loading a campaign, which may take long on a busy machine. */
const START_SECONDS = 120;

class Worker {
  alive = true;
  readonly #child: ChildProcess;
  readonly #campaign: Campaign;
  #ended = '';

  static async start(campaign: Campaign, job: Job): Promise<Worker> {
    rmSync(job.scratch, { recursive: true, force: true });
    mkdirSync(job.scratch, { recursive: true });
    const env = { ...process.env, TIP_ADAPTER_HOME: join(job.scratch, 'home') };
    const worker = new Worker(fork(new URL('worker.ts', import.meta.url), { env }), campaign);
    worker.#child.send(job);
    const told = await worker.#answer(START_SECONDS, campaign.megabytes);
    if (typeof told === 'string') throw new Error(`A worker does not start: ${told}, ${worker.#ended}`);
    return worker;
  }

  constructor(child: ChildProcess, campaign: Campaign) {
    this.#child = child;
    this.#campaign = campaign;
  }

  async examine(index: number): Promise<Verdict> {
    const { seconds, megabytes } = this.#campaign;
    this.#child.send(index);
    const told = await this.#answer(seconds, megabytes);
    if (typeof told === 'string') return { index, outcome: told, what: this.#ended };
    if (!('index' in told) || told.index !== index) throw new Error('A worker answered another question.');
    if ((told.peak ?? 0) <= megabytes) return told;
    this.kill();
    return { index, outcome: 'over memory', what: `${told.peak?.toFixed(0)} MiB` };
  }

  kill(): void {
    this.alive = false;
    this.#child.kill('SIGKILL');
  }

  /** The worker's next message, or the reason why it was lost. */
  #answer(seconds: number, megabytes: number): Promise<Told | Outcome> {
    const child = this.#child;
    return new Promise((resolve) => {
      const settle = (told: Told | Outcome) => {
        clearTimeout(late);
        clearInterval(looking);
        child.removeAllListeners();
        resolve(told);
      };
      const lose = (outcome: Outcome, how: string) => {
        this.#ended = how;
        this.kill();
        settle(outcome);
      };
      const late = setTimeout(() => lose('hang', `longer than ${seconds} s`), seconds * 1000);
      const looking = setInterval(() => {
        const used = memoryOf(child.pid!);
        if (used > megabytes) lose('over memory', `${used.toFixed(0)} MiB`);
      }, LOOK);
      child.once('message', settle);
      child.once('exit', (status, signal) => lose('crash', `ended with ${signal ?? status}`));
    });
  }
}

/** Resident memory of a process and its descendants, in MiB. 0 if the system does not report it. */
function memoryOf(pid: number): number {
  if (process.platform !== 'linux') return 0;
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const own = Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + memoryOf(Number(child)), own);
  } catch {
    return 0;
  }
}
