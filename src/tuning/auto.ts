import type { Engine } from '../engine/types.ts';
import { checkNeeds, methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import type { Task } from '../methods/task.ts';
import {
  type Choice,
  type Compared,
  type Found,
  type Jury,
  searchMethod,
  shareCorrect,
} from './search-method.ts';
import { stackMethods } from './stack.ts';
import { type SearchRange, tuneByFolds, tuneByValidation } from './tune.ts';

/** The method that suits a task, its options, and how they were chosen. */
export interface AutoChoice {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
}

/** What is considered: each was the best, or made a stack better, on some data set that it was measured on. */
const CONSIDERED = ['anchored', 'gda', 'proker', 'tip-adapter', 'visual-only', 'prototype'];
const TRAINED = ['anchored'];

/**
 * Picks or stacks methods by the judges' negative log-likelihood. Without judges (one example a class) by rule: the
 * text-anchored regression, whose penalty is strong there, or in closed form Tip-Adapter with the constants given.
 */
export async function chooseAutomatically(
  engine: Engine,
  task: Task,
  range: SearchRange,
  { jury, trainingFree = false }: { jury?: Jury; trainingFree?: boolean } = {},
): Promise<AutoChoice> {
  const considered = methods.filter(
    (method) =>
      CONSIDERED.includes(method.id) && !(trainingFree && TRAINED.includes(method.id)) && suits(method, task),
  );
  if (!jury) {
    const [method] = considered.toSorted((x, y) => CONSIDERED.indexOf(x.id) - CONSIDERED.indexOf(y.id));
    return { method: method.id, options: {}, choice: UNTUNED };
  }
  const found = new Map<string, Found>();
  for (const method of considered) {
    const candidates = method.votes ? [await cacheConstants(engine, method, task, range, jury)] : undefined;
    found.set(method.id, await searchMethod(engine, method, task, jury, candidates));
  }
  const { labels } = jury.judges;
  const stacked = stackMethods(found, labels);
  const compared = await compare(engine, task, jury, found);
  const how = { protocol: jury.protocol, judges: labels.length, folds: jury.folds };
  const [[id], ...others] = Object.entries(stacked.parts);
  if (others.length === 0) {
    const { options, temperature, nll, surface } = found.get(id) as Found;
    const choice = { ...how, temperature, nll, surface, compared: firstIs(compared, id) };
    return { method: id, options, choice };
  }
  const own = { method: 'stack', nll: stacked.nll, accuracy: shareCorrect(stacked.scores, labels) };
  const { parts, temperature, nll } = stacked;
  return {
    method: 'stack',
    options: { parts },
    choice: { ...how, temperature, nll, surface: [], compared: [own, ...compared] },
  };
}

const UNTUNED: Choice = { temperature: 1, protocol: 'fixed', judges: 0, folds: 0, surface: [] };

function suits(method: Method, task: Task): boolean {
  // Without names the cache is all of Tip-Adapter that is left; with them it is a part of it.
  if (method.id === 'visual-only' && task.head) return false;
  try {
    checkNeeds(method, task);
    return true;
  } catch {
    return false;
  }
}

async function cacheConstants(
  engine: Engine,
  method: Method,
  task: Task,
  range: SearchRange,
  { judges: { queries, labels }, protocol }: Jury,
): Promise<Readonly<Record<string, number>>> {
  const seen = method.needs.includes('text') ? task : { ...task, head: undefined };
  const tuned =
    protocol === 'val'
      ? await tuneByValidation(engine, seen, { features: queries, labels }, range, task.signal)
      : await tuneByFolds(engine, seen, range, task.signal);
  return tuned ? { alpha: tuned.alpha, beta: tuned.beta } : {};
}

/** Every considered method, and zero-shot, on the same judges: best first. */
async function compare(
  engine: Engine,
  task: Task,
  jury: Jury,
  found: ReadonlyMap<string, Found>,
): Promise<Compared[]> {
  const all = new Map(found);
  const zeroShot = methods.find(({ id }) => id === 'zero-shot') as Method;
  if (task.head) all.set(zeroShot.id, await searchMethod(engine, zeroShot, task, jury));
  return [...all]
    .map(([method, { nll, scores }]) => ({ method, nll, accuracy: shareCorrect(scores, jury.judges.labels) }))
    .sort((x, y) => x.nll - y.nll);
}

const firstIs = (compared: readonly Compared[], id: string) => [
  ...compared.filter(({ method }) => method === id),
  ...compared.filter(({ method }) => method !== id),
];
