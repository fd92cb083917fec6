import type { CacheDefaults } from '../encoder/types.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import { methodById, methods } from '../methods/index.ts';
import { checkNeeds, type Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import { chooseAutomatically } from '../tuning/auto.ts';
import { paperGrid, tuneAsPublished } from '../tuning/paper.ts';
import {
  type Choice,
  foldJury,
  type Jury,
  searchMethod,
  splitJury,
  TO_TEMPER,
} from '../tuning/search-method.ts';
import { type CacheChoice, type Protocol, tuneByFolds, tuneByValidation } from '../tuning/tune.ts';

/** Smallest sharpness a search looks at: below it a cache only counts examples. */
const MIN_BETA = 0.5;

/** What the person said about the method and its constants. */
export interface Wanted {
  /** A method's id, or `auto`. */
  readonly method: string;
  readonly tune: Protocol;
  readonly alpha?: number;
  readonly beta?: number;
  readonly prompts?: string;
  /** `auto` keeps to closed forms. */
  readonly trainingFree?: boolean;
  /** Values of the method's own options; what is given is not searched. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A method, its options, and how they were chosen. */
export interface Chosen {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
}

type Rows = { features: Matrix; labels: Int32Array };

/**
 * The method asked for, or the one that suits, with its options: by the protocol asked for, or its own constants where nothing
 * can be chosen (one example a class, `fixed`). `validation` are the rows of the split that `val` and `paper` look at. Throws
 * `UsageError` for alpha or beta given beside a search, and for a method that the task does not suit.
 */
export async function chooseMethod(
  engine: Engine,
  task: Task,
  defaults: CacheDefaults,
  wanted: Wanted,
  validation?: Rows,
): Promise<Chosen> {
  const own = checkOwnOptions(wanted);
  const chosen = await choose(engine, task, defaults, wanted, validation);
  return { ...chosen, options: { ...chosen.options, ...own } };
}

/** The method's own options that were given. Throws `UsageError` for one it does not have. */
export function checkOwnOptions({
  method: id,
  options = {},
}: Pick<Wanted, 'method' | 'options'>): Readonly<Record<string, unknown>> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const known = id === 'auto' ? {} : methodById(id).options;
  const foreign = given.find(([name]) => !(name in known));
  if (foreign) {
    const having = methods.filter(({ options: table }) => foreign[0] in table).map((method) => method.id);
    throw new UsageError(`${id} has no option ${foreign[0]}`, {
      code: 'method/option',
      hint:
        having.length > 0
          ? `Methods that have it: ${having.join(', ')}.`
          : 'tip-adapter fit --help lists them.',
      details: { method: id, option: foreign[0] },
    });
  }
  return Object.fromEntries(given);
}

async function choose(
  engine: Engine,
  task: Task,
  defaults: CacheDefaults,
  wanted: Wanted,
  validation?: Rows,
): Promise<Chosen> {
  const { tune, alpha, beta } = wanted;
  const given = alpha !== undefined || beta !== undefined;
  if (given && (tune === 'val' || tune === 'paper')) {
    throw new UsageError('alpha and beta cannot be both given and tuned', {
      code: 'fit/tune',
      hint: 'Leave out --alpha and --beta, or use --tune fixed.',
    });
  }
  // alpha, beta and the published protocol are Tip-Adapter's.
  const automatic = wanted.method === 'auto' && !given && tune !== 'paper';
  const id = wanted.method === 'auto' && !automatic ? 'tip-adapter' : wanted.method;
  const range = { minBeta: MIN_BETA, maxBeta: defaults.maxBeta, maxAlpha: defaults.maxAlpha };
  if (automatic) {
    const { trainingFree } = wanted;
    return chooseAutomatically(engine, task, range, { jury: juryOf(task, tune, validation), trainingFree });
  }
  const method = methodById(id);
  checkNeeds(method, task);
  const constants = { alpha: alpha ?? defaults.alpha, beta: beta ?? defaults.beta };
  if (!method.votes) return searched(engine, method, task, tune, validation);
  const fixed = { method: id, options: constants, choice: UNTUNED };
  if (given || tune === 'fixed') return fixed;
  // A cache that differs from the plain one is judged by what it says itself.
  if (method.search && tune !== 'paper') return searched(engine, method, task, tune, validation, constants);
  // A method without text is tuned without it, even where the task has a head.
  const seen = method.needs.includes('text') ? task : { ...task, head: undefined };
  const tuned =
    tune === 'folds'
      ? await tuneByFolds(engine, seen, range, task.signal)
      : tune === 'paper'
        ? await tuneAsPublished(engine, seen, validation as Rows, paperGrid(wanted.prompts))
        : await tuneByValidation(engine, seen, validation as Rows, range, task.signal);
  if (!tuned) return fixed;
  const chosen = { method: id, ...parted(tuned) };
  return 'epochs' in method.options ? judged(engine, method, task, chosen, wanted, validation) : chosen;
}

/**
 * A cache that will be trained with the chosen constants. What it says after the training is surer than before: its temperature
 * comes from judges that a training of its own has not seen.
 */
async function judged(
  engine: Engine,
  method: Method,
  task: Task,
  chosen: Chosen,
  { tune, options: own }: Wanted,
  validation?: Rows,
): Promise<Chosen> {
  const jury = juryOf(task, tune, validation, TO_TEMPER);
  if (!jury) return chosen;
  const { temperature, nll } = await searchMethod(engine, method, task, jury, [
    { ...chosen.options, ...own },
  ]);
  return { ...chosen, choice: { ...chosen.choice, temperature, nll } };
}

const UNTUNED: Choice = { temperature: 1, protocol: 'fixed', judges: 0, folds: 0, surface: [] };

/** The best of the options that a method names itself; `untuned` where there is nothing to choose by. */
async function searched(
  engine: Engine,
  method: Method,
  task: Task,
  tune: Protocol,
  validation?: Rows,
  untuned: Chosen['options'] = {},
): Promise<Chosen> {
  const jury = method.search ? juryOf(task, tune, validation) : undefined;
  if (!jury) return { method: method.id, options: untuned, choice: UNTUNED };
  const { options, temperature, nll, surface } = await searchMethod(engine, method, task, jury);
  const { protocol, folds, judges } = jury;
  const choice = { temperature, nll, surface, protocol, folds, judges: judges.labels.length };
  return { method: method.id, options, choice };
}

function juryOf(task: Task, tune: Protocol, validation?: Rows, enough?: typeof TO_TEMPER): Jury | undefined {
  if (tune === 'val' && validation) return splitJury(task, validation);
  return tune === 'folds' ? foldJury(task, enough) : undefined;
}

function parted({ alpha, beta, ...choice }: CacheChoice): Pick<Chosen, 'options' | 'choice'> {
  return {
    options: { alpha, beta },
    choice: { ...choice, surface: choice.surface.map((point) => ({ ...point })) },
  };
}
