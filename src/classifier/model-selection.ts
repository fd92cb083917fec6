import { giveWay, inTurns } from '../abort.ts';
import type { CacheDefaults } from '../encoder/types.ts';
import type { Engine } from '../engine/types.ts';
import type { Matrix } from '../math/matrix.ts';
import type { CacheTensors } from '../methods/cache.ts';
import { methodById } from '../methods/index.ts';
import { methodIfKnown } from '../methods/list.ts';
import { type Method, prepared, type State } from '../methods/method.ts';
import { checkNeeds } from '../methods/needs.ts';
import { createScorer } from '../methods/score.ts';
import type { Checkpoint, Task } from '../methods/task.ts';
import { resolveOptions } from '../options.ts';
import { chooseAutomatically } from '../tuning/auto.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import { paperGrid, paperStart, searchTrainedKeys, tuneAsPublished } from '../tuning/paper.ts';
import { fitWeightsInTurns } from '../tuning/scale.ts';
import {
  type Choice,
  comparedOf,
  searchMethod,
  TO_TEMPER,
  type TuningSet,
  tuningSetOfFolds,
  tuningSetOfSplit,
  UNTUNED,
} from '../tuning/search-method.ts';
import { tuneByFolds, tuneByValidation } from '../tuning/tune.ts';
import { balanced } from './balance.ts';
import { type Asked, askedFor, type Wanted } from './given.ts';

/** Smallest beta of a search. Below it a cache only counts examples. */
const MIN_BETA = 0.5;

/** A method, its options, and the result of choosing them. */
export interface Chosen {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
}

/** A chosen method with its fitted state. */
export interface Fitted extends Chosen {
  readonly state: State;
}

/** Features [q, d] with known classes. */
export interface Rows {
  readonly features: Matrix;
  readonly labels: Int32Array;
  /** Sha256 (hex) of the picture of each row, if they are known. */
  readonly hashes?: readonly string[];
}

/** Inputs of tuning other than the given options. */
interface Circumstances {
  /** The encoder's defaults. */
  readonly defaults: CacheDefaults;
  /** The tuning rows of the protocols `val` and `paper`. The rows that pick the best epoch are in the task. */
  readonly validation?: Rows;
  readonly checkpoint?: Checkpoint;
  /** The known temperature, which is then not searched on left-out examples. */
  readonly calibration?: Calibration;
}

/** A temperature, with the number of rows and folds that it was found on. */
export type Calibration = Pick<Choice, 'temperature' | 'nll' | 'judges' | 'folds' | 'compared'>;

/**
 * The wanted method (or the one that `auto` chooses), with constants chosen by the wanted protocol, fitted and calibrated. Calibration
 * uses the protocol's split, else left-out examples if a class has two groups of examples. Throws `UsageError` for an option that would
 * change nothing, and for a method that does not fit the task.
 */
export async function fitWanted(
  engine: Engine,
  task: Task,
  wanted: Wanted,
  { defaults, validation, checkpoint, calibration }: Circumstances,
): Promise<Fitted> {
  const chosen = await chooseMethod(engine, task, defaults, wanted, validation);
  const method = methodById(chosen.method);
  const options = resolveOptions(method.options, chosen.options);
  const choice = { ...chosen.choice, ...(calibration && calibrationOf(calibration)) };
  // Training the keys of a cache raises its confidence above that of the tuning rows.
  const isSettled = calibration !== undefined || (isCalibrated(choice) && !method.trains);
  const before =
    isSettled || validation ? undefined : await bySelfOrFolds(engine, method, task, options, choice);
  await giveWay(task.signal);
  const trained = await method.fit({ ...task, checkpoint }, options);
  const constants =
    wanted.tune === 'paper' && trainsKeys(method) && validation
      ? await constantsOfKeys(engine, method, trained, task, { ...wanted, options }, validation)
      : {};
  const state = { ...trained, ...constants };
  const after = !isSettled && validation ? await bySplit(engine, method, state, task, validation) : undefined;
  const protocol = after && wanted.tune;
  const fitted = {
    method: method.id,
    options: { ...options, ...constants },
    state,
    choice: {
      ...choice,
      ...(protocol && { protocol }),
      ...before,
      ...after,
      // The methods that auto compared stay together.
      ...((choice.compared?.length ?? 0) > 1 && { compared: choice.compared }),
    },
  };
  return wanted.balance && !task.signal?.aborted ? balanced(engine, task, fitted) : fitted;
}

/** A cache with trained keys. The published code searches its alpha and beta after training. */
function trainsKeys({ trains, votes }: Method): boolean {
  return Boolean(trains && votes);
}

/** alpha and beta for trained keys, as published: searched on the split, and compared on the rows that picked the best epoch. */
async function constantsOfKeys(
  engine: Engine,
  method: Method,
  state: State,
  task: Task,
  { prompts, options }: { prompts?: string; options: Chosen['options'] },
  searched: Rows,
): Promise<{ alpha: number; beta: number }> {
  const cache = (await inTurns(prepared(method, state, task), task.signal)) as unknown as CacheTensors;
  const rows = { searched, reported: task.validation ?? searched };
  const start = options as { alpha: number; beta: number };
  return searchTrainedKeys(engine, task, cache, start, rows, paperGrid(prompts));
}

function calibrationOf({ temperature, nll, judges, folds }: Calibration): Calibration {
  return { temperature, nll, judges, folds };
}

/** The known temperature, if the method sets its own scale; else the temperature by folds. */
async function bySelfOrFolds(
  engine: Engine,
  method: Method,
  task: Task,
  options: Chosen['options'],
  { temperature }: Choice,
): Promise<Calibration | undefined> {
  const own = method.calibrates?.(task, options);
  return own ? { temperature, ...own } : byFolds(engine, method, task, options);
}

/** The best temperature for the method's scores of left-out examples. Undefined if no example can be left out. */
async function byFolds(
  engine: Engine,
  method: Method,
  task: Task,
  options: Chosen['options'],
): Promise<Calibration | undefined> {
  const tuningSet = tuningSetOfFolds(task, TO_TEMPER);
  if (!tuningSet) return undefined;
  await giveWay(task.signal);
  const found = await searchMethod(engine, method, task, tuningSet, [options]);
  const { temperature, nll } = found;
  const { labels } = tuningSet.rows;
  const compared = [comparedOf(method, found, labels)];
  return { temperature, nll, judges: labels.length, folds: tuningSet.folds, compared };
}

/** The best temperature for the fitted method's scores of a split. */
async function bySplit(
  engine: Engine,
  method: Method,
  state: State,
  task: Task,
  { features, labels }: Rows,
): Promise<Calibration> {
  // The task's signal is not used, because an interrupted training leaves a state that still has to be calibrated.
  const scorer = await createScorer(engine, method, state, { ...task, signal: undefined });
  const scores = await scorer.scores(features).finally(() => scorer.close());
  const { b, nll } = await fitWeightsInTurns(undefined, scores, labels);
  const compared = [comparedOf(method, { scores, nll }, labels)];
  return { temperature: 1 / b, nll, judges: labels.length, folds: 0, compared };
}

/** The wanted method (or the one that `auto` chooses), with constants chosen by the wanted protocol. Throws as `fitWanted` does. */
export async function chooseMethod(
  engine: Engine,
  task: Task,
  defaults: CacheDefaults,
  wanted: Wanted,
  validation?: Rows,
): Promise<Chosen> {
  const asked = askedFor(wanted);
  const held = { ...publishedFor(asked, wanted.prompts), ...asked.given };
  const { method, options, choice } = await choose(
    engine,
    task,
    defaults,
    { ...wanted, ...asked, given: held },
    validation,
  );
  const given = Object.keys(asked.given);
  return {
    method,
    options: { ...options, ...held },
    choice: { ...choice, ...(given.length > 0 && { given }) },
  };
}

/** The options that the method's paper gives for the data set that the prompts are named after. */
function publishedFor({ id, given }: Asked, dataset: string | undefined): Chosen['options'] {
  const method = dataset === undefined ? undefined : methodIfKnown(id);
  return method?.published?.(dataset as string, given) ?? {};
}

async function choose(
  engine: Engine,
  task: Task,
  defaults: CacheDefaults,
  { id, given, tune, prompts, trainingFree }: Wanted & Asked,
  validation?: Rows,
): Promise<Chosen> {
  const constants = given as { alpha?: number; beta?: number };
  const range = {
    minBeta: MIN_BETA,
    maxBeta: defaults.maxBeta,
    given: constants,
  };
  if (id === 'auto') {
    return chooseAutomatically(engine, task, range, {
      tuningSet: tuningSetOf(task, tune, validation),
      trainingFree,
    });
  }
  const method = methodById(id);
  checkNeeds(method, task);
  if (!method.votes) {
    const tuningSet = tuningSetOf(task, tune, validation);
    if (tune === 'folds' && !tuningSet && method.byExamples) {
      const options = await method.byExamples({ ...task, engine });
      const fromExamples = Object.keys(options).filter((name) => !(name in given));
      return {
        method: id,
        options,
        choice: { ...UNTUNED, ...(fromExamples.length > 0 && { fromExamples }) },
      };
    }
    return searched(engine, method, task, tuningSet, given);
  }
  const own = ['alpha', 'beta'].filter((name) => name in method.options) as ('alpha' | 'beta')[];
  const untuned = Object.fromEntries(own.map((name) => [name, constants[name] ?? defaults[name]]));
  const fixed = { method: id, options: untuned, choice: UNTUNED };
  if (tune === 'fixed') return fixed;
  if (tune === 'paper' && trainsKeys(method)) {
    const start = Object.entries(paperStart(prompts)).filter(([name]) => name in method.options);
    return {
      method: id,
      options: Object.fromEntries(start),
      choice: { ...UNTUNED, protocol: tune, tuned: own },
    };
  }
  // A cache that differs from the plain one is tuned by its own scores.
  if (method.search) {
    return searched(engine, method, task, tuningSetOf(task, tune, validation), given, untuned);
  }
  // A method without text is tuned without text, even if the task has a text head.
  const seen = method.needs.includes('text') ? task : { ...task, head: undefined };
  const tuned =
    tune === 'folds'
      ? await tuneByFolds(engine, seen, range)
      : tune === 'paper'
        ? await tuneAsPublished(engine, seen, validation as Rows, paperGrid(prompts))
        : await tuneByValidation(engine, seen, validation as Rows, range);
  if (!tuned) return fixed;
  const { alpha, beta, accuracy, nll, ...choice } = tuned;
  const options = { alpha, beta };
  const chosen = own.filter((name) => !(name in given));
  return {
    method: id,
    options: Object.fromEntries(own.map((name) => [name, options[name]])),
    choice: {
      ...choice,
      nll,
      compared: [{ method: id, nll, accuracy }],
      // If both are given, only the temperature was chosen.
      protocol: chosen.length > 0 || tune !== 'folds' ? choice.protocol : 'fixed',
      tuned: chosen,
      surface: choice.surface.map((point) => ({ ...point })),
    },
  };
}

/** The best of the candidates that the method lists, or `untuned` if there are no tuning rows. */
async function searched(
  engine: Engine,
  method: Method,
  task: Task,
  tuningSet: TuningSet | undefined,
  given: Asked['given'],
  untuned: Chosen['options'] = {},
): Promise<Chosen> {
  if (!tuningSet || !method.search) return { method: method.id, options: untuned, choice: UNTUNED };
  const found = await searchMethod(engine, method, task, tuningSet, undefined, given);
  const { options, temperature, nll, tuned, surface } = found;
  const { protocol, folds, rows } = tuningSet;
  const isFixed = protocol === 'folds' && tuned.length === 0;
  const compared = [comparedOf(method, found, rows.labels)];
  const choice = { temperature, nll, tuned, surface, folds, judges: rows.labels.length, compared };
  return { method: method.id, options, choice: { ...choice, protocol: isFixed ? 'fixed' : protocol } };
}

/** The tuning set. Undefined if the protocol is `fixed` or no example can be left out. */
function tuningSetOf(task: Task, tune: Wanted['tune'], validation?: Rows): TuningSet | undefined {
  if (tune === 'folds') return tuningSetOfFolds(task);
  return tune !== 'fixed' && validation ? tuningSetOfSplit(task, validation, tune) : undefined;
}
