import type { CacheDefaults } from '../encoder/types.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import { paperGrid, tuneAsPublished } from '../tuning/paper.ts';
import { type CacheChoice, type Protocol, tuneByFolds, tuneByValidation } from '../tuning/tune.ts';

/** Smallest sharpness a search looks at: below it a cache only counts examples. */
const MIN_BETA = 0.5;

/**
 * alpha, beta and temperature of a method: by the protocol asked for, or the encoder's constants where nothing can be tuned
 * (one example a class, methods without a cache, `fixed`). `validation` are the rows of the split that `val` and `paper` look at. Throws `UsageError` for alpha or beta given beside a search.
 */
export async function chooseConstants(
  engine: Engine,
  method: Method,
  task: Task,
  defaults: CacheDefaults,
  { tune, alpha, beta, prompts }: { tune: Protocol; alpha?: number; beta?: number; prompts?: string },
  validation?: { features: Matrix; labels: Int32Array },
): Promise<CacheChoice> {
  const given = alpha !== undefined || beta !== undefined;
  const constants: CacheChoice = {
    alpha: alpha ?? defaults.alpha,
    beta: beta ?? defaults.beta,
    temperature: 1,
    protocol: 'fixed',
    judges: 0,
    folds: 0,
    surface: [],
  };
  if (given && (tune === 'val' || tune === 'paper')) {
    throw new UsageError('alpha and beta cannot be both given and tuned', {
      code: 'fit/tune',
      hint: 'Leave out --alpha and --beta, or use --tune fixed.',
    });
  }
  const hasCache = method.votes !== undefined;
  if (!hasCache || given || tune === 'fixed') return constants;
  const range = { minBeta: MIN_BETA, maxBeta: defaults.maxBeta, maxAlpha: defaults.maxAlpha };
  // A method without text is tuned without it, even where the task has a head.
  const seen = method.needs.includes('text') ? task : { ...task, head: undefined };
  if (tune === 'paper' && validation) return tuneAsPublished(engine, seen, validation, paperGrid(prompts));
  if (tune === 'val' && validation) return tuneByValidation(engine, seen, validation, range, task.signal);
  return (await tuneByFolds(engine, seen, range, task.signal)) ?? constants;
}
