import { giveWay } from '../abort.ts';
import { sampleFewShot } from '../dataset/sample.ts';
import type { Encoder } from '../encoder/types.ts';
import { sharedEngine } from '../engine/node.ts';
import { methodById } from '../methods/index.ts';
import { type Checkpoint, type FitProgress, selectExamples, type Task } from '../methods/task.ts';
import { refuseUnknown } from '../options.ts';
import type { FitValues } from './fit.ts';
import type { Wanted } from './given.ts';
import { roundedAgain } from './support.ts';
import { taskOf } from './task.ts';
import { type Calibration, fitWanted, type Rows } from './tune.ts';
import type { ClassifierData } from './types.ts';

/** What can change without encoding anything. */
export type RefitValues = Partial<
  Pick<FitValues, 'method' | 'alpha' | 'beta' | 'shots' | 'seed' | 'trainingFree'>
> & {
  tune?: 'folds' | 'fixed';
  /** Values of the method's own options. */
  options?: Wanted['options'];
};

const REFITS = ['method', 'tune', 'alpha', 'beta', 'shots', 'seed', 'trainingFree', 'options'] as const;

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
  { validation, calibration }: { validation?: Rows; calibration?: Calibration } = {},
  { signal, onFit, checkpoint, resume }: FitWatch = {},
): Promise<ClassifierData> {
  await giveWay(signal);
  const engine = sharedEngine();
  const textTower = await openTower(data, encoder, wanted.method);
  const task = { ...taskOf(data, signal), engine, textTower, onProgress: onFit, resume, validation };
  const { defaults } = encoder;
  const how = { defaults, validation, checkpoint, calibration };
  const { method, options, state, choice } = await fitWanted(engine, task, wanted, how);
  return { ...data, method, options, state, tuning: choice };
}

/** The open text tower with the classes' names, for a method that needs it and an encoder that has it. */
export async function openTower(
  { classes }: ClassifierData,
  encoder: Pick<Encoder, 'textTower'>,
  id: string,
): Promise<Task['textTower']> {
  const needed = id !== 'auto' && methodById(id).needs.includes('text-tower');
  const tower = needed ? await encoder.textTower?.() : undefined;
  return tower && { tower, names: classes.map(({ promptName }) => promptName) };
}

/** The data with another method, other constants, or a draw of its examples. */
export async function refitMethod(
  data: ClassifierData,
  encoder: Pick<Encoder, 'defaults' | 'textTower'>,
  {
    // A stack is what `auto` made: for other examples it is chosen anew.
    method = methodById(data.method).composite ? 'auto' : data.method,
    tune = 'folds',
    alpha,
    beta,
    shots,
    seed = data.seed,
    trainingFree,
    options,
    ...unknown
  }: RefitValues,
  signal?: AbortSignal,
): Promise<ClassifierData> {
  refuseUnknown(unknown, REFITS);
  const drawn = shots === undefined ? { ...data, seed } : drawnFrom(data, shots, seed);
  const wanted = { method, tune, alpha, beta, trainingFree, options };
  return fitMethod(drawn, encoder, wanted, {}, { signal });
}

function drawnFrom(data: ClassifierData, shots: number, seed: number): ClassifierData {
  const { labels, groups } = data.support;
  const chosen = sampleFewShot({ labels, groups: Array.from(groups, String) }, { shots, seed });
  return {
    ...data,
    support: roundedAgain(selectExamples(data.support, chosen), data.keys),
    examples: chosen.map((i) => data.examples[i]),
    shots,
    seed,
  };
}
