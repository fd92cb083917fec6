import { giveWay, waitFor } from '../abort.ts';
import type { Finding } from '../dataset/types.ts';
import type { ClipPart } from '../encoder/clip-parts.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/shared.ts';
import { argmax, dot, type Matrix, norm, row, selectRows, softmaxRows } from '../math/matrix.ts';
import { methodById, tipAdapter } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { checkNeeds } from '../methods/needs.ts';
import { createScorer } from '../methods/score.ts';
import type { Checkpoint, FitProgress, Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { UNTUNED } from '../tuning/search-method.ts';
import { version } from '../version.ts';
import { taskOf } from './classifier-task.ts';
import type { EncoderSession } from './encoder-session.ts';
import { withLearntRows } from './fine-tuned-on.ts';
import { judgedClassesOf } from './fit-findings.ts';
import type { Wanted } from './given.ts';
import { type Calibration, fitWanted, type Rows } from './model-selection.ts';
import { rounded } from './rounding.ts';
import type { ClassifierData, Failure, KeyStore } from './types.ts';

/** The parts of a classifier that are known before a method is chosen. */
export type Known = Pick<
  ClassifierData,
  'classes' | 'templates' | 'encoder' | 'head' | 'support' | 'examples' | 'dataset'
> &
  Partial<Pick<ClassifierData, 'reject' | 'exif' | 'views' | 'shots' | 'seed'>>;

/** The data of a classifier before fitting, dated now. */
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

/** Remarks about the data for a person or a program. */
export interface Told {
  readonly findings: readonly Finding[];
  /** Pictures, files and folders that could not be read. Nothing is learnt from them. */
  readonly unread: readonly Failure[];
}

/** Input of `learn`, with the remarks about the data. */
export interface Prepared extends Told {
  readonly known: Known;
  readonly encoder: Pick<Encoder, 'defaults'> & EncoderParts;
  readonly rows: OtherRows;
}

/** Rows beside the examples. */
export interface OtherRows {
  /** The examples' features before rounding to 8 bits, [r, d], which the effect of rounding is measured against. */
  readonly exact?: Matrix;
  /** The tuning rows, if they are not left-out examples. */
  readonly validation?: Rows;
  /** The known temperature for these constants. */
  readonly calibration?: Calibration;
}

/**
 * Makes a classifier from encoded examples: chooses the method and its constants, fits it and calibrates it. Pictures, folders of features
 * and the studio all use this function.
 */
export async function learn(
  known: Known,
  wanted: Wanted,
  encoder: Pick<Encoder, 'defaults'> & EncoderParts,
  { exact, ...rows }: OtherRows = {},
  watch: FitWatch = {},
): Promise<ClassifierData> {
  const data = await fitMethod(unlearnt(known), encoder, wanted, rows, watch);
  return exact ? { ...data, keys: await measureKeys(data, encoder, exact, watch.signal) } : data;
}

/** Callbacks and checkpoint of a fit. */
export interface FitWatch {
  signal?: AbortSignal;
  /** Called with the progress of a training or search. */
  onFit?(progress: FitProgress): void;
  checkpoint?: Checkpoint;
  /** Awaited before every training step, so that the caller can pause the training. */
  resume?(): Promise<void>;
}

/** Chooses the method's constants, fits it and calibrates it. This part of fitting needs only features. */
export async function fitMethod(
  data: ClassifierData,
  encoder: Pick<Encoder, 'defaults'> & EncoderParts,
  wanted: Wanted,
  { validation, calibration }: Omit<OtherRows, 'exact'> = {},
  { signal, onFit, checkpoint, resume }: FitWatch = {},
): Promise<ClassifierData> {
  await giveWay(signal);
  const engine = sharedEngine();
  const parts = await waitFor(openParts(data, encoder, wanted.method), signal);
  const task = { ...taskOf(data, signal), engine, ...parts, onProgress: onFit, resume, validation };
  const { defaults } = encoder;
  const how = { defaults, validation, checkpoint, calibration };
  const { method, options, state, choice } = await fitWanted(engine, task, wanted, how);
  const tuned = validation ? (validation.hashes ?? []) : data.examples.map(({ sha256 }) => sha256);
  const { interrupted: _, ...rest } = data;
  const tuning = withLearntRows(choice, encoder, tuned);
  const judgedClasses = judgedClassesOf({ ...rest, tuning }, validation?.labels);
  return {
    ...rest,
    method,
    options,
    state,
    tuning: { ...tuning, ...(judgedClasses !== undefined && { judgedClasses }) },
  };
}

/** The parts of an encoder that some methods learn from, and the pictures that the encoder itself was fine-tuned on. */
export type EncoderParts = Pick<Encoder, 'textTower' | 'projection' | 'fineTuned'>;

/** The parts of the encoder that a method learns from. */
export function partsOf({ needs }: Pick<Method, 'needs'>): ClipPart[] {
  return needs.filter((need) => need === 'text-tower' || need === 'projection');
}

/** The parts of the encoder that the method needs, if the encoder has them: the open text tower with the classes' names, the projection. */
export async function openParts(
  { classes }: ClassifierData,
  encoder: EncoderParts,
  id: string,
): Promise<Pick<Task, 'textTower' | 'projection'>> {
  const needs = id === 'auto' ? [] : methodById(id).needs;
  const tower = needs.includes('text-tower') ? await encoder.textTower?.() : undefined;
  const projection = needs.includes('projection') ? await encoder.projection?.() : undefined;
  return {
    ...(tower && { textTower: { tower, names: classes.map(({ promptName }) => promptName) } }),
    ...(projection && { projection }),
  };
}

/** The method fitted to the changed examples with its previous constants. */
export async function learnAgain(
  data: ClassifierData,
  session: Pick<EncoderSession, 'encoder'>,
  signal?: AbortSignal,
): Promise<ClassifierData> {
  await giveWay(signal);
  const method = methodById(data.method);
  const parts =
    partsOf(method).length > 0
      ? await waitFor(openParts(data, await session.encoder(), method.id), signal)
      : {};
  // The previous state is near the new optimum, so a convex fit starts from it.
  const task = { ...taskOf(data, signal), engine: sharedEngine(), ...parts, start: data.state };
  checkNeeds(method, task);
  const state = await method.fit(task, resolveOptions(method.options, data.options));
  const { interrupted: _, ...rest } = data;
  return { ...rest, state };
}

/** Largest number of examples that the comparison uses as queries. */
const ASKED = 1000;

/** The effect of 8 bits: compares the classifier with one of the same constants whose examples have 16 bits, `features` [r, d]. */
async function measureKeys(
  data: ClassifierData,
  encoder: EncoderParts,
  features: Matrix,
  signal?: AbortSignal,
): Promise<KeyStore> {
  const half = rounded(features, 'half');
  const step = Math.ceil(half.rows / ASKED);
  const queries = selectRows(
    half,
    [...Array(half.rows).keys()].filter((r) => r % step === 0),
  );
  const exact = { ...data, support: { ...data.support, features: half } };
  const [ours, theirs] = [
    await probabilities(data, encoder, queries, signal),
    await probabilities(exact, encoder, queries, signal),
  ];
  let cosine = 0;
  let probability = 0;
  let equal = 0;
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

async function probabilities(
  data: ClassifierData,
  encoder: EncoderParts,
  queries: Matrix,
  signal?: AbortSignal,
): Promise<Matrix> {
  const method = methodById(data.method);
  const parts = method.readsTexts && (await openParts(data, encoder, data.method));
  const task = { ...taskOf(data), ...parts };
  const scorer = await createScorer(sharedEngine(), method, data.state, task);
  try {
    return softmaxRows(await scorer.scores(queries, { signal }), data.tuning.temperature);
  } finally {
    await scorer.close();
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  return 1 - dot(a, b) / (norm(a) * norm(b) || 1);
}
