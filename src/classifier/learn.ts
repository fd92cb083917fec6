import { giveWay, waitFor } from '../abort.ts';
import type { Finding } from '../dataset/types.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { argmax, dot, type Matrix, norm, row, selectRows, softmaxRows } from '../math/matrix.ts';
import { methodById, tipAdapter } from '../methods/index.ts';
import { checkNeeds } from '../methods/method.ts';
import { createScorer } from '../methods/score.ts';
import type { Checkpoint, FitProgress, Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import { version } from '../version.ts';
import { taskOf } from './classifier-task.ts';
import type { EncoderSession } from './encoder-session.ts';
import type { Wanted } from './given.ts';
import { type Calibration, fitWanted, type Rows } from './model-selection.ts';
import { rounded } from './rounding.ts';
import type { ClassifierData, KeyStore } from './types.ts';

/** What is known of a classifier before a method is chosen. */
export type Known = Pick<
  ClassifierData,
  'classes' | 'templates' | 'encoder' | 'head' | 'support' | 'examples' | 'dataset'
> &
  Partial<Pick<ClassifierData, 'reject' | 'exif' | 'views' | 'shots' | 'seed'>>;

/** The data of a classifier that has learnt nothing yet, made now. */
export function unlearnt(known: Known): ClassifierData {
  return {
    reject: 0,
    exif: true,
    views: 1,
    seed: 1,
    ...known,
    method: tipAdapter.id,
    options: {},
    state: {},
    tuning: UNTUNED,
    created: new Date().toISOString(),
    createdBy: `tip-adapter ${version}`,
    version: 1,
  };
}

/** What `learn` is given, and what is to be told of it. */
export interface Prepared {
  readonly known: Known;
  readonly encoder: Pick<Encoder, 'defaults' | 'textTower'>;
  readonly rows: OtherRows;
  readonly findings: readonly Finding[];
}

/** Rows beside the examples. */
export interface OtherRows {
  /** The examples' features before they were rounded to 8 bits, [r, d]: what that changes is measured. */
  readonly exact?: Matrix;
  /** What constants are chosen on, where not on the examples. */
  readonly validation?: Rows;
  /** A temperature that was found before for these constants. */
  readonly calibration?: Calibration;
}

/**
 * Makes a classifier of what is known: chooses the method and its constants, fits it and calibrates it. This is the one door for examples
 * that are embedded already, wherever they came from: pictures, folders of features, the studio.
 */
export async function learn(
  known: Known,
  wanted: Wanted,
  encoder: Pick<Encoder, 'defaults' | 'textTower'>,
  { exact, ...rows }: OtherRows = {},
  watch: FitWatch = {},
): Promise<ClassifierData> {
  const data = await fitMethod(unlearnt(known), encoder, wanted, rows, watch);
  return exact ? { ...data, keys: await measureKeys(data, exact, watch.signal) } : data;
}

/** How a fit is followed, stopped and continued. */
export interface FitWatch {
  signal?: AbortSignal;
  /** Told how far a training or search is. */
  onFit?(progress: FitProgress): void;
  checkpoint?: Checkpoint;
  /** Awaited before every step of a training: until it resolves the training rests. */
  resume?(): Promise<void>;
}

/** Chooses the method's constants, fits it and calibrates it: the part of fitting that needs features only. */
export async function fitMethod(
  data: ClassifierData,
  encoder: Pick<Encoder, 'defaults' | 'textTower'>,
  wanted: Wanted,
  { validation, calibration }: Omit<OtherRows, 'exact'> = {},
  { signal, onFit, checkpoint, resume }: FitWatch = {},
): Promise<ClassifierData> {
  await giveWay(signal);
  const engine = sharedEngine();
  const textTower = await waitFor(openTower(data, encoder, wanted.method), signal);
  const task = { ...taskOf(data, signal), engine, textTower, onProgress: onFit, resume, validation };
  const { defaults } = encoder;
  const how = { defaults, validation, checkpoint, calibration };
  const { method, options, state, choice } = await fitWanted(engine, task, wanted, how);
  return { ...data, method, options, state, tuning: choice };
}

/** The open text tower with the classes' names, for a method that needs it and an encoder that has it. */
async function openTower(
  { classes }: ClassifierData,
  encoder: Pick<Encoder, 'textTower'>,
  id: string,
): Promise<Task['textTower']> {
  const needed = id !== 'auto' && methodById(id).needs.includes('text-tower');
  const tower = needed ? await encoder.textTower?.() : undefined;
  return tower && { tower, names: classes.map(({ promptName }) => promptName) };
}

/** The method fitted to the changed examples with the constants it had. */
export async function learnAgain(
  data: ClassifierData,
  session: Pick<EncoderSession, 'encoder'>,
  signal?: AbortSignal,
): Promise<ClassifierData> {
  await giveWay(signal);
  const method = methodById(data.method);
  const textTower = method.needs.includes('text-tower')
    ? await waitFor(openTower(data, await session.encoder(), method.id), signal)
    : undefined;
  // What was learnt before is nearly right: a convex fit begins there.
  const task = { ...taskOf(data, signal), engine: sharedEngine(), textTower, start: data.state };
  checkNeeds(method, task);
  return { ...data, state: await method.fit(task, resolveOptions(method.options, data.options)) };
}

/** Examples that are asked both ways. */
const ASKED = 1000;

/** What 8 bits change: the classifier as it is against one of the same constants whose examples have 16 bits, `features` [r, d]. */
async function measureKeys(data: ClassifierData, features: Matrix, signal?: AbortSignal): Promise<KeyStore> {
  const half = rounded(features, 'half');
  const step = Math.ceil(half.rows / ASKED);
  const queries = selectRows(
    half,
    [...Array(half.rows).keys()].filter((r) => r % step === 0),
  );
  const exact = { ...data, support: { ...data.support, features: half } };
  const [ours, theirs] = [
    await probabilities(data, queries, signal),
    await probabilities(exact, queries, signal),
  ];
  let [cosine, probability, equal] = [0, 0, 0];
  for (let r = 0; r < half.rows; r++)
    cosine = Math.max(cosine, distance(row(data.support.features, r), row(half, r)));
  for (let i = 0; i < queries.rows; i++) {
    const [p, q] = [row(ours, i), row(theirs, i)];
    p.forEach((x, c) => {
      probability = Math.max(probability, Math.abs(x - q[c]!));
    });
    if (argmax(p) === argmax(q)) equal++;
  }
  return { type: 'int8', cosine, probability, agreement: equal / queries.rows };
}

async function probabilities(data: ClassifierData, queries: Matrix, signal?: AbortSignal): Promise<Matrix> {
  const scorer = await createScorer(sharedEngine(), methodById(data.method), data.state, taskOf(data));
  try {
    return softmaxRows(await scorer.scores(queries, { signal }), data.tuning.temperature);
  } finally {
    await scorer.close();
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  return 1 - dot(a, b) / (norm(a) * norm(b) || 1);
}
