import { inTurns } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { type Matrix, softmaxRows, weightedSum } from '../math/matrix.ts';
import { baselineMethods, checkNeeds, listMethods } from '../methods/index.ts';
import { zeroShotScale } from '../methods/likely-scales.ts';
import { type Method, STACK } from '../methods/method.ts';
import type { StackPart } from '../methods/stack.ts';
import { type FitProgress, keysOf, type Task } from '../methods/task.ts';
import { negativeLogLikelihood } from '../metrics/calibration.ts';
import { resolveOptions } from '../options.ts';
import { overlapped } from '../overlap.ts';
import { textLogits } from './cache-search.ts';
import { type Comparison, inSpan } from './in-span.ts';
import {
  type Choice,
  type Compared,
  type Found,
  searchMethod,
  type TuningSet,
  UNTUNED,
} from './search-method.ts';
import { shareCorrect } from './share-correct.ts';
import { stacking } from './stacking.ts';
import { type SearchRange, tuneByFolds, tuneByValidation } from './tune.ts';

/** The method that suits a task, its options, and how they were chosen. */
export interface AutoChoice {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
}

/**
 * Picks or stacks methods by the negative log-likelihood of the tuning rows. With one or two examples of each class, folds show too little,
 * and a method with such a rule is taken without a comparison: alone if there is no text head, else pooled in equal parts with the choice
 * among the other methods. Without tuning rows, that choice is the first of them that needs no tuning. Throws `UsageError` if there is no
 * example.
 */
export async function chooseAutomatically(
  engine: Engine,
  task: Task,
  range: SearchRange,
  { tuningSet, trainingFree = false }: { tuningSet?: TuningSet; trainingFree?: boolean } = {},
): Promise<AutoChoice> {
  if (task.support.labels.length === 0) {
    throw new UsageError('auto needs labelled examples', {
      code: 'method/needs',
      hint: 'Give labelled examples, or use zero-shot.',
      details: { method: 'auto' },
    });
  }
  const considered = consideredFor(task, trainingFree);
  // A validation split can compare all methods, so no rule is needed.
  const looksAtSplit = tuningSet !== undefined && tuningSet.protocol !== 'folds';
  for (const method of looksAtSplit ? [] : considered) {
    const options = method.auto?.byRule?.(task);
    if (options) return chosenByRule(engine, task, { method, options }, considered, range, tuningSet);
  }
  if (!tuningSet) return { method: considered[0]!.id, options: {}, choice: UNTUNED };
  return (await searched(engine, task, considered, range, tuningSet)).chosen;
}

/** A method that is taken by rule, with its options. */
interface ByRule {
  readonly method: Method;
  readonly options: Readonly<Record<string, unknown>>;
}

/** The method that is taken by rule, pooled with the choice among the others. */
async function chosenByRule(
  engine: Engine,
  task: Task,
  own: ByRule,
  considered: readonly Method[],
  range: SearchRange,
  tuningSet: TuningSet | undefined,
): Promise<AutoChoice> {
  const { method, options } = own;
  const others = considered.filter((other) => other !== method);
  const leavesOut = method.calibrates?.(task, resolveOptions(method.options, options))?.judges ?? 0;
  if (task.head && tuningSet && leavesOut > 0) {
    const { chosen, scores } = await searched(engine, task, others, range, tuningSet);
    const { labels } = tuningSet.rows;
    const seen = method.rotates ? await inSpan(engine, { task, tuningSet }) : { task, tuningSet };
    const found = await searchMethod(engine, method, seen.task, seen.tuningSet, [options]);
    const both = weightedSum(0.5, scores, 0.5, found.scores);
    const nll = negativeLogLikelihood(softmaxRows(both), labels);
    const first = { method: STACK, nll, accuracy: shareCorrect(both, labels) };
    const alone = { method: method.id, nll: found.nll, accuracy: shareCorrect(found.scores, labels) };
    const compared = (chosen.choice.compared ?? []).filter((each) => each.method !== STACK);
    const pooled = pooledWith(own, chosen);
    return { ...pooled, choice: { ...pooled.choice, nll, compared: [first, alone, ...compared] } };
  }
  const partner = task.head && others.find(({ auto }) => auto?.untuned);
  if (!partner) return { method: method.id, options, choice: UNTUNED };
  // The other method's scores get the scale that suits zero-shot on the examples, unless it is below 1.
  const zeroShot = await textLogits(engine, task, { queries: keysOf(task.support) });
  const scale = zeroShot ? await zeroShotScale(zeroShot, task.support.labels, task.signal) : 1;
  const choice = { ...UNTUNED, temperature: 1 / Math.max(1, scale) };
  return pooledWith(own, { method: partner.id, options: {}, choice });
}

/** A stack of equal parts: a method whose scores are log-odds, and another choice at its temperature. */
function pooledWith(own: ByRule, { method, options, choice }: AutoChoice): AutoChoice {
  const sharpness = 1 / choice.temperature;
  const chosen =
    method === STACK
      ? Object.entries(options.parts as Readonly<Record<string, StackPart>>).map(
          ([id, part]) => [id, { ...part, share: part.share * sharpness }] as const,
        )
      : [[method, { options, sharpness, share: 1 }] as const];
  const parts = new Map<string, StackPart>([
    [own.method.id, { options: own.options, sharpness: 1, share: 1 }],
    ...chosen,
  ]);
  const total = [...parts.values()].reduce((sum, { share }) => sum + share, 0);
  return {
    method: STACK,
    options: {
      parts: Object.fromEntries([...parts].map(([id, part]) => [id, { ...part, share: part.share / total }])),
    },
    choice: { ...choice, temperature: 2 / total, surface: [], tuned: undefined },
  };
}

/** The best method or stack by the tuning rows, and its scores of these rows, [q, c], as log-odds. */
async function searched(
  engine: Engine,
  task: Task,
  considered: readonly Method[],
  range: SearchRange,
  tuningSet: TuningSet,
): Promise<{ chosen: AutoChoice; scores: Matrix }> {
  const baselines = baselineMethods().filter((method) => suits(method, task));
  const small = await inSpan(engine, { task, tuningSet });
  const seenBy = ({ rotates }: Method): Comparison => (rotates ? small : { task, tuningSet });
  const methods = [...considered, ...baselines];
  const shares = new Float64Array(methods.length);
  const size = task.support.labels.length * task.classes;
  const results = await overlapped(methods, size, async (method, i): Promise<[string, Found]> => {
    const own = seenBy(method);
    const onProgress = ({ done, total }: FitProgress) => {
      shares[i] = done / total;
      const percent = (100 * shares.reduce((sum, share) => sum + share, 0)) / shares.length;
      task.onProgress?.({ done: Math.round(percent), total: 100, unit: 'percent' });
    };
    const isCache = i >= considered.length && method.votes !== undefined;
    const candidates = isCache ? [await cacheConstants(engine, own.task, range, own.tuningSet)] : undefined;
    const best = await searchMethod(engine, method, { ...own.task, onProgress }, own.tuningSet, candidates);
    shares[i] = 1;
    return [method.id, best];
  });
  const found = new Map(results.slice(0, considered.length));
  const all = new Map(results);
  const { labels } = tuningSet.rows;
  const { parts, scores, temperature, nll } = await inTurns(stacking(found, labels), task.signal);
  const compared = ranked(all, labels);
  const how = { protocol: tuningSet.protocol, judges: labels.length, folds: tuningSet.folds };
  const [id, ...others] = Object.keys(parts);
  if (id !== undefined && others.length === 0) {
    const { options, tuned, surface, ...best } = found.get(id) as Found;
    const own = { temperature: best.temperature, nll: best.nll, tuned, surface };
    const choice = { ...how, ...own, compared: firstIs(compared, id) };
    return { chosen: { method: id, options, choice }, scores };
  }
  const own = { method: STACK, nll, accuracy: shareCorrect(scores, labels) };
  const choice = { ...how, temperature, nll, surface: [], compared: [own, ...compared] };
  return { chosen: { method: STACK, options: { parts }, choice }, scores };
}

/** The methods that suit a task, in their order, without those that another of them replaces. */
function consideredFor(task: Task, trainingFree: boolean): Method[] {
  const suiting = listMethods()
    .filter(({ auto }) => auto && (auto.closedForm || !trainingFree))
    .filter((method) => suits(method, task) && (method.auto?.suits?.(task) ?? true))
    .sort((a, b) => Number(a.auto?.order) - Number(b.auto?.order));
  const replaced = new Set(suiting.flatMap(({ auto }) => auto?.replaces?.(task) ?? []));
  return suiting.filter(({ id }) => !replaced.has(id));
}

function suits(method: Method, task: Task): boolean {
  try {
    checkNeeds(method, task);
    return true;
  } catch {
    return false;
  }
}

async function cacheConstants(
  engine: Engine,
  task: Task,
  range: SearchRange,
  { rows: { queries, labels }, protocol }: TuningSet,
): Promise<Readonly<Record<string, number>>> {
  const tuned =
    protocol === 'val'
      ? await tuneByValidation(engine, task, { features: queries, labels }, range)
      : await tuneByFolds(engine, task, range);
  return tuned ? { alpha: tuned.alpha, beta: tuned.beta } : {};
}

/** Every considered method, and the baselines, on the same tuning rows: best first. */
function ranked(found: ReadonlyMap<string, Found>, labels: Int32Array): Compared[] {
  return [...found]
    .map(([method, { nll, scores }]) => ({ method, nll, accuracy: shareCorrect(scores, labels) }))
    .sort((x, y) => x.nll - y.nll);
}

const firstIs = (compared: readonly Compared[], id: string) => [
  ...compared.filter(({ method }) => method === id),
  ...compared.filter(({ method }) => method !== id),
];
