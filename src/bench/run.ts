import { InterruptedError, throwIfAborted } from '../errors.ts';
import { type BenchProtocol, type Cell, type CellSettings, cellOf, type Skipped } from './cell.ts';
import type { BenchSource } from './source.ts';

/** What is compared, on what, how often. */
export interface BenchPlan {
  readonly methods: readonly string[];
  readonly shots: readonly number[];
  readonly seeds: readonly number[];
  readonly protocols: readonly BenchProtocol[];
}

export interface BenchProgress {
  readonly done: number;
  readonly total: number;
  /** Cells that were finished by an earlier run. */
  readonly kept: number;
  readonly now: string;
}

export interface BenchRun {
  readonly cells: readonly Cell[];
  readonly skipped: readonly Skipped[];
}

/** Methods that look at no example: a number of shots changes nothing. */
const WITHOUT_EXAMPLES = ['zero-shot'];

/** All cells of one source. Finished ones are in `folder` and not computed again; an interruption loses at most one. */
export async function runSource(
  source: BenchSource,
  plan: BenchPlan,
  folder: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?(progress: BenchProgress): void } = {},
): Promise<BenchRun> {
  const settings = settingsOf(source, plan);
  const cells: Cell[] = [];
  const skipped: Skipped[] = [];
  let kept = 0;
  for (const [done, one] of settings.entries()) {
    throwIfAborted(signal);
    const now = `${source.name} ${one.method} ${one.shots}`;
    onProgress?.({ done, total: settings.length, kept, now });
    const result = await cellOf(source, one, folder, signal).catch((error) => {
      throw signal?.aborted ? new InterruptedError() : error;
    });
    if (result.kept) kept++;
    if ('reason' in result.cell) skipped.push(result.cell);
    else cells.push(result.cell);
  }
  onProgress?.({ done: settings.length, total: settings.length, kept, now: source.name });
  return { cells, skipped };
}

function settingsOf(source: BenchSource, { methods, shots, seeds, protocols }: BenchPlan): CellSettings[] {
  const all: CellSettings[] = [];
  for (const protocol of protocols) {
    for (const method of methods) {
      const counts = shots.filter((k) => source.shots.includes(k));
      for (const k of WITHOUT_EXAMPLES.includes(method) ? counts.slice(0, 1) : counts) {
        // A dump has one draw: other seeds would only repeat it.
        for (const seed of source.seeded ? seeds : seeds.slice(0, 1))
          all.push({ method, shots: k, seed, protocol });
      }
    }
  }
  return all;
}
