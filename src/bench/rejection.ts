import type { LabelledRows } from '../dataset/feature-dump.ts';
import type { Engine } from '../engine/types.ts';
import { row, selectRows, softmax } from '../math/matrix.ts';
import { random } from '../math/random.ts';
import type { Method } from '../methods/method.ts';
import { createScorer } from '../methods/score.ts';
import { selectExamples, type Task, type TextHead } from '../methods/task.ts';
import { auroc } from '../metrics/auroc.ts';

/** Share of the classes that are left out as unknown. */
const HELD_OUT = 0.2;

/**
 * AUROC of the confidence for separating pictures of known and unknown classes, over all test rows. A fifth of the classes, drawn by the
 * seed, are left out of the fit with their names and examples. Undefined if fewer than two classes would remain, or if the test rows are of
 * known or of unknown classes alone.
 */
export async function rejectionAuroc(
  engine: Engine,
  method: Method,
  options: Parameters<Method['fit']>[1],
  task: Task,
  { features, labels }: LabelledRows,
  temperature: number,
): Promise<number | undefined> {
  const all = Array.from({ length: task.classes }, (_, c) => c);
  const known = random('held-out', task.seed)
    .shuffle(all)
    .slice(Math.max(1, Math.round(HELD_OUT * task.classes)))
    .sort((a, b) => a - b);
  if (known.length < 2) return undefined;
  const smaller = amongClasses(task, known);
  const isKnown = Array.from(labels, (label) => known.includes(label));
  if (new Set(isKnown).size < 2) return undefined;
  const state = await method.fit(smaller, options);
  const scorer = await createScorer(engine, method, state, smaller);
  const scores = await scorer.scores(features, task).finally(() => scorer.close());
  const confidence = Float64Array.from(labels, (_, i) => Math.max(...softmax(row(scores, i), temperature)));
  return auroc(confidence, isKnown);
}

/** The task with only some of its classes, renumbered in the given order. */
function amongClasses(task: Task, kept: readonly number[]): Task {
  const { textTower } = task;
  const number = new Int32Array(task.classes).fill(-1);
  kept.forEach((from, to) => {
    number[from] = to;
  });
  const support = selectExamples(
    task.support,
    [...task.support.labels.keys()].filter((i) => number[task.support.labels[i]!]! >= 0),
  );
  return {
    ...task,
    // These rows have labels in the old numbering, and tuning is already done.
    validation: undefined,
    classes: kept.length,
    support: { ...support, labels: support.labels.map((label) => number[label]!) },
    head: task.head && headAmong(task.head, kept, number),
    textTower: textTower && { ...textTower, names: kept.map((c) => textTower.names[c]!) },
  };
}

function headAmong(head: TextHead, kept: readonly number[], number: Int32Array): TextHead {
  const prompts = [...head.promptClass.keys()].filter((p) => number[head.promptClass[p]!]! >= 0);
  return {
    ...head,
    weights: selectRows(head.weights, kept),
    promptFeatures: selectRows(head.promptFeatures, prompts),
    promptClass: Int32Array.from(prompts, (p) => number[head.promptClass[p]!]!),
  };
}
