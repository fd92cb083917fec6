import { giveWay } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import type { Method, State } from '../methods/method.ts';
import { createScorer } from '../methods/score.ts';
import { type FitProgress, selectExamples, type Task } from '../methods/task.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { TuningRows } from './cache-search.ts';

/** The tuning rows of a fold, the examples that are not hidden from them, and the task of these examples. */
interface Part {
  readonly rows: readonly number[];
  readonly examples: readonly number[];
  readonly task: Task;
}

/**
 * The scores of a method on each tuning row after learning from the examples that are not hidden from it: the terms of its scores, [q, c]
 * each, for each candidate.
 */
export async function outOfFold(
  engine: Engine,
  method: Method,
  task: Task,
  tuningRows: TuningRows,
  candidates: readonly ValuesOf<Options>[],
): Promise<Record<string, Matrix>[]> {
  const all: Record<string, Matrix>[] = [];
  for await (const terms of termsOutOfFold(engine, method, task, tuningRows, candidates)) all.push(terms);
  return all;
}

/**
 * The same, one candidate after the other. Candidates that the caller does not ask for are not fitted. A method with `fitSubsets` fits all
 * folds at once; other methods fit them one by one.
 */
export async function* termsOutOfFold(
  engine: Engine,
  method: Method,
  whole: Task,
  tuningRows: TuningRows,
  candidates: readonly ValuesOf<Options>[],
): AsyncGenerator<Record<string, Matrix>> {
  const task = { ...whole, engine, onProgress: undefined, checkpoint: undefined };
  const parts = await partsOf(tuningRows, task);
  const total = candidates.length * parts.length;
  let done = 0;
  const progress = () => whole.onProgress?.({ done: done++, total, unit: 'fold' });
  const subsets = parts.map(({ examples }) => examples);
  const fits =
    method.fitSubsets?.(task, subsets, candidates) ?? fitEach(method, parts, candidates, whole.onProgress);
  for await (const states of fits) {
    if (method.fitSubsets) parts.forEach(progress);
    const terms: Record<string, Matrix> = {};
    for (const [k, part] of parts.entries()) {
      await giveWay(task.signal);
      const scorer = await createScorer(engine, method, states[k]!, part.task);
      const own = await scorer.terms(selectRows(tuningRows.queries, part.rows), task);
      await scorer.close();
      for (const [name, term] of Object.entries(own)) {
        terms[name] ??= matrix(tuningRows.labels.length, task.classes);
        part.rows.forEach((target, r) => {
          terms[name]!.data.set(row(term, r), target * task.classes);
        });
      }
    }
    yield terms;
  }
}

/** Fits one fold after the other, and reports the steps of each fit as a part of all steps, without the losses of these trainings. */
async function* fitEach(
  method: Method,
  parts: readonly Part[],
  candidates: readonly ValuesOf<Options>[],
  onProgress: Task['onProgress'],
): AsyncGenerator<State[]> {
  const fits = candidates.length * parts.length;
  let fitted = 0;
  const report = ({ done, total, unit }: FitProgress) =>
    onProgress?.({ done: fitted * total + done, total: fits * total, unit });
  for (const options of candidates) {
    const states: State[] = [];
    for (const { task } of parts) {
      if (!method.trains) report({ done: 0, total: 1, unit: 'fold' });
      await giveWay(task.signal);
      states.push(await method.fit({ ...task, onProgress: report }, options));
      fitted++;
    }
    yield states;
  }
}

async function partsOf({ fold, keyFold }: TuningRows, task: Task): Promise<Part[]> {
  const parts: Part[] = [];
  for (const number of new Set(fold)) {
    await giveWay(task.signal);
    const examples = [...keyFold.keys()].filter((i) => keyFold[i] !== number);
    parts.push({
      rows: [...fold.keys()].filter((i) => fold[i] === number),
      examples,
      task: { ...task, support: selectExamples(task.support, examples) },
    });
  }
  return parts;
}
