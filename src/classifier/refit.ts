import { waitFor } from '../abort.ts';
import { sampleFewShot } from '../dataset/few-shot.ts';
import { methodById } from '../methods/index.ts';
import { selectExamples } from '../methods/task.ts';
import { refuseUnknown } from '../options.ts';
import type { EmbeddingSession } from './encoder-session.ts';
import type { FitValues } from './fit-options.ts';
import { fitMethod } from './learn.ts';
import { roundedAgain } from './rounding.ts';
import { summarisedError } from './summary-changes.ts';
import type { ClassifierData } from './types.ts';

/** Options of `refit`: those that need no encoding. */
export type RefitValues = Partial<
  Pick<FitValues, 'method' | 'alpha' | 'beta' | 'shots' | 'seed' | 'trainingFree'>
> & {
  tune?: 'folds' | 'fixed';
  /** Values of the method's own options. */
  options?: Readonly<Record<string, unknown>>;
};

const REFITS = ['method', 'tune', 'alpha', 'beta', 'shots', 'seed', 'trainingFree', 'options'] as const;

/**
 * The data fitted with another method, other constants, or a draw of its examples. Throws `UsageError` for a classifier that learnt from a
 * summary.
 */
export async function refitMethod(
  data: ClassifierData,
  session: Pick<EmbeddingSession, 'encoder'>,
  {
    // Only `auto` makes a stack. For other examples it chooses anew.
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
  if (data.summary) throw summarisedError('It cannot be fitted again');
  const encoder = await waitFor(session.encoder(), signal);
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
    examples: chosen.map((i) => data.examples[i]!),
    shots,
    seed,
  };
}
