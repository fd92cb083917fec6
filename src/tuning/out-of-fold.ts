import type { Engine } from '../engine/types.ts';
import { type Matrix, matrix, row, selectRows } from '../math/matrix.ts';
import type { Method } from '../methods/method.ts';
import { createScorer } from '../methods/score.ts';
import { selectExamples, type Task } from '../methods/task.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { Judges } from './cache-search.ts';

/** The judges that see the same examples, and the examples they see. */
interface Part {
  readonly judges: readonly number[];
  readonly examples: readonly number[];
}

/**
 * What a method says about each judge when it has learnt from the examples that are not hidden from it: the terms of its scores,
 * [q, c] each, for each candidate's options. Methods that can fit all folds at once do; others are fitted one by one.
 */
export async function outOfFold(
  engine: Engine,
  method: Method,
  whole: Task,
  judges: Judges,
  candidates: readonly ValuesOf<Options>[],
): Promise<Record<string, Matrix>[]> {
  const task = { ...whole, engine, onProgress: undefined, checkpoint: undefined };
  const parts = partsOf(judges);
  const tasks = parts.map(({ examples }) => ({
    ...task,
    support: selectExamples(task.support, examples),
  }));
  const states = method.fitSubsets
    ? await method.fitSubsets(
        task,
        parts.map(({ examples }) => examples),
        candidates,
      )
    : undefined;
  const all: Record<string, Matrix>[] = [];
  const total = candidates.length * parts.length;
  for (const [i, options] of candidates.entries()) {
    const terms: Record<string, Matrix> = {};
    for (const [k, part] of parts.entries()) {
      whole.onProgress?.({ done: i * parts.length + k, total, unit: 'fold' });
      const state = states ? states[i][k] : await method.fit(tasks[k], options);
      const scorer = await createScorer(engine, method, state, tasks[k]);
      const { votes: _, ...own } = await scorer.terms(selectRows(judges.queries, part.judges), task.signal);
      await scorer.close();
      for (const [name, term] of Object.entries(own)) {
        terms[name] ??= matrix(judges.labels.length, task.classes);
        part.judges.forEach((judge, r) => {
          terms[name].data.set(row(term, r), judge * task.classes);
        });
      }
    }
    all.push(terms);
  }
  return all;
}

function partsOf({ fold, keyFold }: Judges): Part[] {
  return [...new Set(fold)].map((number) => ({
    judges: [...fold.keys()].filter((i) => fold[i] === number),
    examples: [...keyFold.keys()].filter((i) => keyFold[i] !== number),
  }));
}
