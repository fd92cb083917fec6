import type { Wanted } from '../classifier/given.ts';
import { fitWanted } from '../classifier/model-selection.ts';
import type { LabelledRows } from '../dataset/feature-dump.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import type { Engine } from '../engine/types.ts';
import { TipAdapterError, throwIfAborted, UsageError } from '../errors.ts';
import { argmax, type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { modulesOf } from '../methods/registry.ts';
import { createScorer, type Scorer } from '../methods/score.ts';
import { plainSupport, type Task } from '../methods/task.ts';
import { wilsonInterval } from '../metrics/accuracy.ts';
import { hashOf } from '../store/checksum.ts';
import { version } from '../version.ts';
import { count } from '../words.ts';
import { type BenchSource, searchesValidation, type TestRows } from './bench-source.ts';
import { type Measures, measureScores } from './measures.ts';
import { watchMemory } from './peak-memory.ts';
import { rejectionAuroc } from './rejection.ts';

/** The rows that a method's constants are chosen on: the examples, a validation split, a few rows of it, the reported rows, or none. */
export const PROTOCOLS = ['folds', 'val', 'min4', 'paper', 'fixed'] as const;
export type BenchProtocol = (typeof PROTOCOLS)[number];

export interface CellSettings {
  readonly method: string;
  readonly shots: number;
  readonly seed: number;
  readonly protocol: BenchProtocol;
  /** Given values of options, which are not tuned. alpha and beta are Tip-Adapter's. */
  readonly given?: Readonly<Record<string, number>>;
  /** Whether all classes count alike, although they have different numbers of examples. */
  readonly balance?: boolean;
  /** Whether to measure rejection, by a second fit without some of the classes. */
  readonly rejection?: boolean;
}

/** One figure of a benchmark with its settings and measures. */
export interface Cell extends CellSettings, Measures {
  readonly data: string;
  readonly encoder: string;
  readonly fingerprint: string;
  /** Name of the test rows. '' if there is one set. */
  readonly on: string;
  /** Number of classes that were possible answers. */
  readonly classes: number;
  /** Number of classes that have a test row. */
  readonly testedClasses: number;
  readonly examples: number;
  readonly correct: number;
  readonly total: number;
  readonly accuracy: number;
  /** 95% Wilson interval over the test rows. */
  readonly interval: readonly [number, number];
  /** AUROC of rejecting pictures of held-out classes. */
  readonly auroc?: number;
  /** The method that `auto` chose, or the method itself, and its options. */
  readonly chosen: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Differences of the method from its paper, in words. */
  readonly remarks: readonly string[];
  readonly fitSeconds: number;
  readonly scoreMilliseconds: number;
  readonly encodeMilliseconds?: number;
  /** Peak resident memory of the process in MiB: during fit and test on Linux, elsewhere since its start. */
  readonly peakMemory: number;
  /** A character for each test row, `1` for a right answer, for paired tests. */
  readonly right: string;
  readonly version: string;
}

/** A fit without a cell: the method needs something that the data lack, or, if `failed` is true, an error occurred. */
export interface Skipped extends CellSettings {
  readonly data: string;
  readonly reason: string;
  readonly failed?: true;
}

/** Version of kept cells, raised when their meaning changes. */
const FORMAT = 5;

/** The outcome of a fit. */
export type FitResult = readonly Cell[] | Skipped;

/** The name of the file with the results of a fit. It depends on everything that determines them. */
export function cellsName(source: BenchSource, settings: CellSettings): string {
  const { fingerprint } = source;
  const data = nameOf(source);
  const own = modulesOf(settings.method);
  const modules = own.length > 0 ? own : undefined;
  return `${hashOf(JSON.stringify({ ...settings, fingerprint, data, version, format: FORMAT, modules }))}.json`;
}

/** Computes the cells of one fit, or the reason why there are none. Throws `InterruptedError` when the signal fires. */
export function computeCells(
  source: BenchSource,
  settings: CellSettings,
  signal?: AbortSignal,
): Promise<FitResult> {
  return compute(source, settings, signal).catch((error: unknown): Skipped => {
    throwIfAborted(signal);
    const reason = error instanceof TipAdapterError ? error.message : String(error);
    return { ...settings, data: source.name, reason, failed: true };
  });
}

/** The result in a saved file. Undefined if the file is damaged or its figures contradict each other, so that they are computed again. */
export function savedResult(text: string): FitResult | undefined {
  try {
    const saved = JSON.parse(text) as Cell[] | Skipped;
    if (!Array.isArray(saved)) return typeof saved.reason === 'string' ? saved : undefined;
    return saved.length > 0 && saved.every(isWhole) ? saved : undefined;
  } catch {
    return undefined;
  }
}

function isWhole({ right, correct, total, accuracy, interval }: Cell): boolean {
  const ones = right.replaceAll('0', '').length;
  const [low, high] = wilsonInterval(correct, total);
  return (
    /^[01]+$/.test(right) &&
    right.length === total &&
    ones === correct &&
    accuracy === correct / total &&
    interval[0] === low &&
    interval[1] === high
  );
}

async function compute(
  source: BenchSource,
  settings: CellSettings,
  signal?: AbortSignal,
): Promise<Cell[] | Skipped> {
  const { shots, seed, protocol } = settings;
  const skip = (reason: string): Skipped => ({ ...settings, data: source.name, reason });
  const drawn = shots === 0 ? plainSupport(matrix(0, source.dimension), []) : source.draw(shots, seed);
  if (!drawn) return skip(`there is no draw of ${count(shots, 'example')} per class`);
  const support = protocol === 'paper' ? { ...drawn, averagesEmbeddings: true as const } : drawn;
  const testRows = source.testRows(support);
  const validation = validationRows(source, testRows[0], settings);
  if (protocol !== 'folds' && protocol !== 'fixed' && !validation)
    return skip('there is no validation split');
  const engine = sharedEngine();
  const { head, textTower, projection, dimension, classes } = source;
  // The published code picks the best epoch on the reported rows, even if it searches constants on other rows.
  const known = { support, head, textTower, projection, seed };
  const own = { ...known, validation: protocol === 'paper' ? testRows[0] : validation };
  const task = { ...own, classes: classes.length, dimension, engine, signal };
  return fitAndTest(source, settings, task, { testRows, validation }).catch((error) => {
    if (error instanceof UsageError && error.code === 'method/needs') return skip(error.message);
    throw error;
  });
}

async function fitAndTest(
  source: BenchSource,
  settings: CellSettings,
  task: Task & { readonly engine: Engine },
  { testRows, validation }: { testRows: ReturnType<BenchSource['testRows']>; validation?: LabelledRows },
): Promise<Cell[]> {
  const { engine, support, classes, signal } = task;
  const peak = watchMemory();
  const started = performance.now();
  const wanted = wantedOf(source, settings);
  const fitted = await fitWanted(engine, task, wanted, { defaults: source.defaults, validation });
  const { options, state } = fitted;
  const method = methodById(fitted.method);
  const fitSeconds = (performance.now() - started) / 1000;
  const { temperature } = fitted.choice;
  const scorer = await createScorer(engine, method, state, task);
  const answers = [];
  for (const rows of testRows) answers.push(await evaluateRows(scorer, rows, classes, temperature, signal));
  await scorer.close();
  const peakMemory = peak();
  const auroc = settings.rejection
    ? await rejectionAuroc(engine, method, options, task, testRows[0], temperature)
    : undefined;
  return answers.map((answer) => ({
    ...settings,
    data: source.name,
    encoder: source.encoder,
    fingerprint: source.fingerprint,
    examples: support.labels.length,
    chosen: fitted.method,
    options,
    remarks: method.remarks?.(task, options, state) ?? [],
    ...answer,
    ...(auroc !== undefined && { auroc }),
    fitSeconds,
    encodeMilliseconds: source.encodeMilliseconds,
    peakMemory,
    version,
  }));
}

/** The name of the data for the published search, whose grid depends on it. */
function nameOf({ name, known }: BenchSource): string {
  return known?.id ?? name;
}

function wantedOf(source: BenchSource, { method, protocol, balance, given = {} }: CellSettings): Wanted {
  const { alpha, beta, ...options } = given;
  const tune = protocol === 'min4' ? 'val' : protocol;
  return { method, tune, prompts: nameOf(source), alpha, beta, balance, options };
}

async function evaluateRows(
  scorer: Scorer,
  { on, features, labels, among }: TestRows,
  classes: number,
  temperature: number,
  signal?: AbortSignal,
) {
  const from = performance.now();
  const all = await scorer.scores(features, { signal });
  const scoreMilliseconds = (performance.now() - from) / labels.length;
  const scores = among ? selectColumns(all, among) : all;
  const truth = among ? labels.map((label) => among.indexOf(label)) : labels;
  const right = Array.from(truth, (label, i) => argmax(row(scores, i)) === label);
  const correct = right.filter(Boolean).length;
  const total = right.length;
  return {
    on,
    classes: among?.length ?? classes,
    testedClasses: new Set(labels).size,
    correct,
    total,
    accuracy: correct / total,
    interval: wilsonInterval(correct, total),
    ...measureScores(scores, truth, temperature),
    scoreMilliseconds,
    right: right.map(Number).join(''),
  };
}

function selectColumns(scores: Matrix, columns: readonly number[]): Matrix {
  const out = matrix(scores.rows, columns.length);
  for (let i = 0; i < scores.rows; i++) {
    const [to, from] = [row(out, i), row(scores, i)];
    columns.forEach((column, j) => {
      to[j] = from[column]!;
    });
  }
  return out;
}

/**
 * The rows that a protocol chooses constants on: the validation split, at most four of its rows per class, or the rows of the published
 * code, which are the reported rows for ImageNet and for data without a validation split, else the validation split.
 */
function validationRows(
  source: BenchSource,
  testRows: LabelledRows,
  { protocol, shots, seed }: CellSettings,
): LabelledRows | undefined {
  const { val } = source;
  if (protocol === 'paper') return searchesValidation(source) ? val : testRows;
  if (protocol === 'val') return val;
  if (protocol !== 'min4' || !val) return undefined;
  const kept = sampleFewShot({ labels: val.labels }, { shots: Math.min(shots, 4), seed });
  return { features: selectRows(val.features, kept), labels: Int32Array.from(kept, (i) => val.labels[i]!) };
}
