import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseMethod } from '../classifier/tune.ts';
import type { LabelledRows } from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/sample.ts';
import { sharedEngine } from '../engine/node.ts';
import { UsageError } from '../errors.ts';
import { argmax, logSumExp, row, selectRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { createScorer } from '../methods/score.ts';
import type { Task } from '../methods/task.ts';
import { wilsonInterval } from '../metrics/accuracy.ts';
import { resolveOptions } from '../options.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { version } from '../version.ts';
import type { BenchSource } from './source.ts';

/** How a method's constants are chosen: on the examples, on a validation split or a few rows of it, or on the reported rows. */
export const PROTOCOLS = ['folds', 'val', 'min4', 'paper', 'fixed'] as const;
export type BenchProtocol = (typeof PROTOCOLS)[number];

export interface CellSettings {
  readonly method: string;
  readonly shots: number;
  readonly seed: number;
  readonly protocol: BenchProtocol;
}

/** One number of a benchmark, with everything that led to it. */
export interface Cell extends CellSettings {
  readonly data: string;
  readonly encoder: string;
  readonly fingerprint: string;
  readonly classes: number;
  readonly examples: number;
  readonly correct: number;
  readonly total: number;
  readonly accuracy: number;
  /** 95% Wilson interval over the judged rows. */
  readonly interval: readonly [number, number];
  readonly nll: number;
  /** What `auto` took, or the method itself, and its options. */
  readonly chosen: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly fitSeconds: number;
  readonly scoreMilliseconds: number;
  /** Peak resident memory of the process so far, MiB. */
  readonly peakMemory: number;
  /** A character for each judged row, `1` where it was right: for paired tests. */
  readonly right: string;
  readonly version: string;
}

/** A cell that could not be: the method needs what the data does not have. */
export interface Skipped extends CellSettings {
  readonly data: string;
  readonly reason: string;
}

/** The cell, from the folder where it is kept, or computed and kept there. */
export async function cellOf(
  source: BenchSource,
  settings: CellSettings,
  folder: string,
  signal?: AbortSignal,
): Promise<{ cell: Cell | Skipped; kept: boolean }> {
  const identity = JSON.stringify({ ...settings, fingerprint: source.fingerprint, version });
  const path = join(folder, `${createHash('sha256').update(identity).digest('hex').slice(0, 32)}.json`);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known) return { cell: JSON.parse(known) as Cell, kept: true };
  const cell = await compute(source, settings, signal);
  if (!('reason' in cell)) {
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(path, JSON.stringify(cell));
  }
  return { cell, kept: false };
}

async function compute(
  source: BenchSource,
  settings: CellSettings,
  signal?: AbortSignal,
): Promise<Cell | Skipped> {
  const { method: id, shots, seed, protocol } = settings;
  const skip = (reason: string): Skipped => ({ ...settings, data: source.name, reason });
  const support = source.draw(shots, seed);
  if (!support) return skip(`there is no draw of ${shots}`);
  const judged = source.judged(support);
  const validation = validationRows(source, judged, settings);
  if (protocol !== 'folds' && protocol !== 'fixed' && !validation)
    return skip('there is no validation split');
  const engine = sharedEngine();
  const { head, dimension, classes } = source;
  const task: Task = { classes: classes.length, dimension, support, head, seed, engine, signal };
  const started = performance.now();
  try {
    const tune = protocol === 'min4' ? 'val' : protocol;
    const wanted = { method: id, tune, prompts: source.name } as const;
    const chosen = await chooseMethod(engine, task, source.defaults, wanted, validation);
    const method = methodById(chosen.method);
    const options = resolveOptions(method.options, chosen.options);
    const state = await method.fit(task, options);
    const fitSeconds = (performance.now() - started) / 1000;
    const scorer = await createScorer(engine, method, state, task);
    const from = performance.now();
    const scores = await scorer.scores(judged.features, signal);
    const scoreMilliseconds = (performance.now() - from) / judged.labels.length;
    await scorer.close();
    const right = Array.from(judged.labels, (label, i) => argmax(row(scores, i)) === label);
    const { temperature } = chosen.choice;
    const nll = judged.labels.reduce((sum, label, i) => {
      const scaled = Float64Array.from(row(scores, i), (x) => x / temperature);
      return sum + logSumExp(scaled) - scaled[label];
    }, 0);
    const correct = right.filter(Boolean).length;
    const total = right.length;
    return {
      ...settings,
      data: source.name,
      encoder: source.encoder,
      fingerprint: source.fingerprint,
      classes: classes.length,
      examples: support.labels.length,
      correct,
      total,
      accuracy: correct / total,
      interval: wilsonInterval(correct, total),
      nll: nll / total,
      chosen: chosen.method,
      options: chosen.options,
      fitSeconds,
      scoreMilliseconds,
      peakMemory: Math.round(process.resourceUsage().maxRSS / 1024),
      right: right.map(Number).join(''),
      version,
    };
  } catch (error) {
    if (error instanceof UsageError && error.code === 'method/needs') return skip(error.message);
    throw error;
  }
}

/** The rows a protocol tunes on: the validation split, at most four of each class of it, or the reported rows themselves. */
function validationRows(
  { val }: BenchSource,
  judged: LabelledRows,
  { protocol, shots, seed }: CellSettings,
): LabelledRows | undefined {
  if (protocol === 'paper') return judged;
  if (protocol === 'val') return val;
  if (protocol !== 'min4' || !val) return undefined;
  const kept = sampleFewShot({ labels: val.labels }, { shots: Math.min(shots, 4), seed });
  return { features: selectRows(val.features, kept), labels: Int32Array.from(kept, (i) => val.labels[i]) };
}
