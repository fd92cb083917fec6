import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** A line that describes the machine of the measurements. */
export function machineLine(threads: number): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${memory} GiB, Node ${process.versions.node}, ${threads} threads`;
}

/** Runs the candidates in turn, A B A B …, after one round of warm-up, so that a machine that slows down affects all of them. */
export async function alternate<Candidates extends Readonly<Record<string, () => Promise<unknown>>>>(
  candidates: Candidates,
  rounds: number,
): Promise<Record<keyof Candidates, number[]>> {
  const timed = Object.entries(candidates).map(([name, run]) => ({ name, run, times: [] as number[] }));
  for (let round = 0; round <= rounds; round++) {
    for (const { run, times } of timed) {
      const start = performance.now();
      await run();
      if (round > 0) times.push(performance.now() - start);
    }
  }
  return Object.fromEntries(timed.map(({ name, times }) => [name, times])) as Record<
    keyof Candidates,
    number[]
  >;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Ratios of this process by name, of which `guard` keeps and compares the medians. Smaller is better. */
const guarded: Record<string, number> = {};

/** Writes the guarded ratios of this process to the file that `guard` names. */
export function writeGuarded(file: string | undefined): void {
  if (file !== undefined) writeFileSync(file, JSON.stringify(guarded));
}

/** Median of the ratios of paired runs, with their smallest and largest. A ratio with a name is guarded. */
export function ratio(a: readonly number[], b: readonly number[], name?: string): string {
  const ratios = a.map((x, i) => x / b[i]!);
  if (name !== undefined) guarded[name] = median(ratios);
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
}

export function milliseconds(values: readonly number[]): string {
  return `${median(values).toFixed(0)} ms`;
}
