import { giveWay } from '../abort.ts';
import { columnScales, equalWeights, scaledColumns } from '../encoder/joined.ts';
import type { Joined } from '../encoder/types.ts';
import '../engine/node.ts';
import { sharedEngine } from '../engine/shared.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { tuneByFolds, tuneByValidation } from '../tuning/tune.ts';
import { taskOf } from './classifier-task.ts';
import { referenceTo } from './encoder-reference.ts';
import type { EncoderSession } from './encoder-session.ts';
import type { FitValues } from './fit-options.ts';
import { type Known, type OtherRows, type Prepared, unlearnt } from './learn.ts';
import { rounded } from './rounding.ts';

/** Steps of the grid of weights: 10 gives 0.1 to 0.9 for two parts. A coarse grid makes later fits choose the same encoder again. */
const STEPS = 10;
/** Smallest beta of the search. */
const MIN_BETA = 0.5;

/**
 * Chooses the weights of a joined encoder whose weights are free: those with the least negative log-likelihood of the left-out examples (or
 * the validation split) under Tip-Adapter, or under its cache alone if no part reads names. They stay equal if no example can be left out,
 * or if nothing is tuned. Nothing is encoded again. Rows that were encoded with another encoder are returned unchanged.
 */
export async function weighPictures(
  encoded: Prepared,
  { tune, keys }: Pick<FitValues, 'tune' | 'keys'>,
  session: EncoderSession,
  signal?: AbortSignal,
): Promise<Prepared> {
  const { joined, defaults } = await session.encoder();
  if (!joined?.free) return encoded;
  const { known, rows } = encoded;
  const range = { minBeta: MIN_BETA, maxBeta: defaults.maxBeta };
  let best: { weights: number[]; nll: number } | undefined;
  for (const weights of tune === 'folds' || tune === 'val' ? simplex(joined.parts.length, STEPS) : []) {
    await giveWay(signal);
    const own = rescaled(joined, known, rows, { keys, weights });
    const task = taskOf(unlearnt(own.known), signal);
    const { validation } = own.rows;
    const choice = validation
      ? await tuneByValidation(sharedEngine(), task, validation, range)
      : await tuneByFolds(sharedEngine(), task, range);
    if (choice?.nll !== undefined && !(best && best.nll <= choice.nll)) best = { weights, nll: choice.nll };
  }
  const weights = best?.weights ?? equalWeights(joined);
  const used = joined.weighted(weights);
  session.replace(used);
  const own = rescaled(joined, known, rows, { keys, weights });
  const split = rows.validation ? 'by the validation split' : 'by left-out examples';
  const by = best ? split : 'all equal, because nothing is tuned or can be left out';
  const each = joined.parts.map(({ id }, i) => `${weights[i]} (${id})`).join(' and ');
  const message = `The weights of the joined encoders are ${each}, ${by}`;
  return {
    ...encoded,
    encoder: used,
    known: { ...own.known, encoder: referenceTo(used) },
    rows: own.rows,
    findings: [...encoded.findings, { level: 'info', code: 'fit/joined', message }],
  };
}

/** The rows that were encoded with the join's present weights, rescaled to other weights. */
function rescaled(
  joined: Joined,
  known: Known,
  { exact, validation, ...rest }: OtherRows,
  { keys, weights }: { keys: FitValues['keys']; weights: readonly number[] },
): { known: Known; rows: OtherRows } {
  const { parts } = joined;
  const [before, after] = [columnScales(parts, joined.weights), columnScales(parts, weights)];
  const ratios = (kind: 'pictures' | 'texts') => after[kind].map((x, i) => x / (before[kind][i] || 1));
  const features = scaledColumns(exact ?? known.support.features, parts, ratios('pictures'));
  const { head, support, classes } = known;
  return {
    known: {
      ...known,
      support: { ...support, features: rounded(features, keys) },
      head: head && {
        prompts: head.prompts,
        ...headFromPrompts(
          rounded(scaledColumns(head.promptFeatures, parts, ratios('texts')), 'half'),
          head.promptClass,
          classes.length,
          after.logitScale,
        ),
      },
    },
    rows: {
      ...rest,
      exact: exact && features,
      validation: validation && {
        ...validation,
        features: scaledColumns(validation.features, parts, ratios('pictures')),
      },
    },
  };
}

/** The ways to divide `steps` equal shares among k parts, at least one each, as numbers that add up to 1. */
function simplex(k: number, steps: number): number[][] {
  const divide = (parts: number, left: number): number[][] =>
    parts === 1
      ? [[left]]
      : Array.from({ length: left - parts + 1 }, (_, i) => i + 1).flatMap((first) =>
          divide(parts - 1, left - first).map((others) => [first, ...others]),
        );
  return divide(k, Math.max(steps, k)).map((shares) => shares.map((share) => share / steps));
}
