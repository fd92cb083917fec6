import { inTurns } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { baselineMethods, checkNeeds, listMethods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { STACK } from '../methods/stack.ts';
import type { FitProgress, Task } from '../methods/task.ts';
import {
  type Choice,
  type Compared,
  type Found,
  searchMethod,
  shareCorrect,
  type TuningSet,
  UNTUNED,
} from './search-method.ts';
import { stacking } from './stacking.ts';
import { type SearchRange, tuneByFolds, tuneByValidation } from './tune.ts';

/** The method that suits a task, its options, and how they were chosen. */
export interface AutoChoice {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
}

/**
 * Picks or stacks methods by the negative log-likelihood of the tuning rows. Without any (one example a class) by rule: the
 * text-anchored regression, whose penalty is strong there, or in closed form ProKeR with its published constants. Throws `UsageError`
 * where there is no example.
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
  if (!tuningSet) {
    return { method: considered[0]!.id, options: {}, choice: UNTUNED };
  }
  const baselines = baselineMethods().filter((method) => suits(method, task));
  const stages = considered.length + baselines.length;
  const found = new Map<string, Found>();
  for (const [i, method] of considered.entries()) {
    found.set(method.id, await searchMethod(engine, method, stage(task, i, stages), tuningSet));
  }
  const { labels } = tuningSet.rows;
  const stacked = await inTurns(stacking(found, labels), task.signal);
  const all = new Map(found);
  for (const [i, baseline] of baselines.entries()) {
    const candidates = baseline.votes ? [await cacheConstants(engine, task, range, tuningSet)] : undefined;
    const own = stage(task, considered.length + i, stages);
    all.set(baseline.id, await searchMethod(engine, baseline, own, tuningSet, candidates));
  }
  const compared = ranked(all, labels);
  const how = { protocol: tuningSet.protocol, judges: labels.length, folds: tuningSet.folds };
  const [id, ...others] = Object.keys(stacked.parts);
  if (id !== undefined && others.length === 0) {
    const { options, temperature, nll, tuned, surface } = found.get(id) as Found;
    const choice = { ...how, temperature, nll, tuned, surface, compared: firstIs(compared, id) };
    return { method: id, options, choice };
  }
  const own = { method: STACK, nll: stacked.nll, accuracy: shareCorrect(stacked.scores, labels) };
  const { parts, temperature, nll } = stacked;
  return {
    method: STACK,
    options: { parts },
    choice: { ...how, temperature, nll, surface: [], compared: [own, ...compared] },
  };
}

/** The methods that suit a task, in their order, without those that another one replaces. */
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

/** The task of one of several searches: what it reports is a part of the whole. */
function stage(task: Task, index: number, count: number): Task {
  const { onProgress } = task;
  if (!onProgress) return task;
  const part = ({ done, total }: FitProgress) =>
    onProgress({ done: Math.round((100 * (index + done / total)) / count), total: 100, unit: 'percent' });
  return { ...task, onProgress: part };
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
