import type { KeyCache } from '../engine/keys/types.ts';
import type { TrainingState } from '../engine/training/types.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { concatRows, type Matrix, matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { count } from '../words.ts';
import type { TextTower } from './text-tower.ts';

/** The labelled examples a method learns from: n examples, r rows (an example has one row for each view of it). */
export interface Support {
  /** Embeddings as the encoder gives them, [r, d]. */
  readonly features: Matrix;
  /** Which example each row shows, [r], in 0..n-1. */
  readonly example: Int32Array;
  /** Which view each row is, [r]: 0 the plain one, 1, 2, … augmented ones. */
  readonly view: Int32Array;
  /** Class of each example, [n]. */
  readonly labels: Int32Array;
  /** What must not be split between a fold's query and its cache, [n]: equal numbers stay together. */
  readonly groups: Int32Array;
  /** Whether a key is the mean of embeddings as they come, which is how the published code averages views, and not of unit rows. */
  readonly averagesEmbeddings?: true;
}

/** The zero-shot classifier: what the text encoder says about each class. */
export interface TextHead {
  /** Unit mean of the unit prompt embeddings, [c, d]. */
  readonly weights: Matrix;
  /** Prompt embeddings as the encoder gives them, [p, d]. */
  readonly promptFeatures: Matrix;
  /** Class of each prompt, [p]. */
  readonly promptClass: Int32Array;
  /** Multiplier of cosines: 100 for OpenAI's CLIP. */
  readonly logitScale: number;
}

/** A classification problem as a method sees it. */
export interface Task {
  readonly classes: number;
  readonly dimension: number;
  readonly support: Support;
  /** Missing where there is no text encoder; methods that need it say so. */
  readonly head?: TextHead;
  /** The open text encoder, where the encoder has one, and the classes' names for its prompts. */
  readonly textTower?: { readonly tower: TextTower; readonly names: readonly string[] };
  /** Answers for the examples' keys where the caller has them at hand, so that none are laid out to score; the caller closes it. */
  readonly cache?: KeyCache;
  readonly seed: number;
  /** What fits heavy methods; without it they run on the interpreter, which is for small problems. */
  readonly engine?: Engine;
  readonly signal?: AbortSignal;
  /** The method's state for nearly the same examples: a convex fit begins there. */
  readonly start?: Readonly<Record<string, Tensor | number>>;
  /** Rows with known classes that a training picks its best epoch by; without them, or where it only `watches` them, it keeps the last. */
  readonly validation?: {
    readonly features: Matrix;
    readonly labels: Int32Array;
    readonly watches?: boolean;
  };
  /** Keeps the state of a training after every full epoch, so that it can go on after an interruption. */
  readonly checkpoint?: Checkpoint;
  /** Awaited before every step of a training: until it resolves the training rests. Rejects where it is not to go on. */
  resume?(): Promise<void>;
  /** Called by methods that take a while, at most once a step. */
  onProgress?(progress: FitProgress): void;
}

/** A piece of what a training is: text, or the bytes of numbers. */
export type IdentityPart = string | ArrayBufferView;

/** Where a training's state is kept between runs. */
export interface Checkpoint {
  /**
   * What was kept of the training that the pieces of `identity` describe, and where more of it is kept. Rejects where what is there
   * is of another training.
   */
  open(identity: Iterable<IdentityPart>): Promise<KeptTraining>;
}

/** The state of a training that was kept, and where more of it goes. */
export interface KeptTraining {
  /** The state to go on from; undefined where the training begins. */
  readonly state?: TrainingState;
  save(state: TrainingState): Promise<void>;
}

/** How far a fit is. */
export interface FitProgress {
  /** Steps done and to do: optimiser steps, points of a search, folds. */
  readonly done: number;
  readonly total: number;
  /** What the steps are, in the singular: `epoch`, `fold`, … */
  readonly unit: string;
  /** Mean training loss, and share of right answers on the training rows, since the last report. */
  readonly loss?: number;
  readonly accuracy?: number;
  /** Share of the validation rows that are right, after a full epoch of a training that counts them. */
  readonly validated?: number;
}

/** A support set of one plain view per example. Throws `UsageError` where the parts do not fit or hold no number. */
export function plainSupport(
  features: Matrix,
  labels: ArrayLike<number>,
  groups?: ArrayLike<number>,
): Support {
  const n = features.rows;
  if (labels.length !== n || (groups && groups.length !== n)) {
    throw new UsageError(
      `${count(n, 'row')} of features and ${count(labels.length, 'label')} do not fit together`,
      {
        code: 'support/labels',
      },
    );
  }
  let bad = 0;
  while (Number.isFinite(features.data[bad])) bad++;
  if (bad < features.data.length) {
    throw new UsageError(
      `Row ${Math.floor(bad / features.cols)} of the features holds ${features.data[bad]}`,
      {
        code: 'support/not-finite',
        hint: 'Features must be finite numbers.',
      },
    );
  }
  const numbers = Int32Array.from({ length: n }, (_, i) => i);
  return {
    features,
    example: numbers,
    view: new Int32Array(n),
    labels: Int32Array.from(labels),
    groups: groups ? Int32Array.from(groups) : numbers,
  };
}

/** Checks that labels are classes and widths agree. Throws `UsageError`. */
export function checkTask({ classes, dimension, support, head }: Task): void {
  const wrong = support.labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) {
    throw new UsageError(
      `Example ${wrong} has label ${support.labels[wrong]}; there are classes 0 to ${classes - 1}`,
      {
        code: 'task/label',
      },
    );
  }
  if (support.features.rows > 0 && support.features.cols !== dimension) {
    throw new UsageError(
      `The support's features have ${count(support.features.cols, 'column')}, the task ${dimension}`,
      {
        code: 'task/width',
      },
    );
  }
  if (head && (head.weights.rows !== classes || head.weights.cols !== dimension)) {
    throw new UsageError(
      `The text head is ${head.weights.rows} x ${head.weights.cols}; the task needs ${classes} x ${dimension}`,
      { code: 'task/head' },
    );
  }
}

/**
 * One cache key per example, [n, d] unit rows: the mean of its unit rows over the augmented views, unit again (paper,
 * section 3.1 of the published code's data augmentation); the plain view where no other exists. With `averagesEmbeddings` the mean of its embeddings.
 */
export function keysOf({ features, example, view, labels, averagesEmbeddings }: Support): Matrix {
  if (isPlain({ example, view, labels })) return unitRows(features);
  const rows = averagesEmbeddings ? features : unitRows(features);
  const augmented = new Uint8Array(labels.length);
  for (let r = 0; r < view.length; r++) if (view[r]! > 0) augmented[example[r]!] = 1;
  const sums = matrix(labels.length, features.cols);
  for (let r = 0; r < view.length; r++) {
    if (augmented[example[r]!] && view[r] === 0) continue;
    const target = row(sums, example[r]!);
    const source = row(rows, r);
    for (let j = 0; j < source.length; j++) target[j]! += source[j]!;
  }
  return unitRows(sums);
}

/** Whether there is one plain row an example, in order: nothing to average, and no second pass over many rows. */
export function isPlain({ example, view, labels }: Pick<Support, 'example' | 'view' | 'labels'>): boolean {
  return example.length === labels.length && view.every((v, r) => v === 0 && example[r] === r);
}

/** The plain view of each example, [n, d], as the encoder gives it; the first view where there is no plain one. */
export function plainRows({ features, example, view, labels }: Support): Matrix {
  const first = new Int32Array(labels.length).fill(-1);
  for (let r = 0; r < view.length; r++) if (first[example[r]!]! < 0 || view[r] === 0) first[example[r]!] = r;
  return selectRows(features, first);
}

/** The support set of some of the examples, renumbered in the given order. */
export function selectExamples(support: Support, examples: readonly number[]): Support {
  const renumbered = new Int32Array(support.labels.length).fill(-1);
  examples.forEach((from, to) => {
    renumbered[from] = to;
  });
  const rows = Array.from(support.example.keys()).filter((r) => renumbered[support.example[r]!]! >= 0);
  return {
    ...support,
    features: selectRows(support.features, rows),
    example: Int32Array.from(rows, (r) => renumbered[support.example[r]!]!),
    view: Int32Array.from(rows, (r) => support.view[r]!),
    labels: Int32Array.from(examples, (e) => support.labels[e]!),
    groups: Int32Array.from(examples, (e) => support.groups[e]!),
  };
}

/** Two support sets as one; the second's examples follow the first's. */
export function joinSupport(a: Support, b: Support): Support {
  const join = (x: Int32Array, y: Int32Array) => {
    const both = new Int32Array(x.length + y.length);
    both.set(x);
    both.set(y, x.length);
    return both;
  };
  return {
    ...a,
    features: concatRows([a.features, b.features]),
    example: join(
      a.example,
      b.example.map((e) => e + a.labels.length),
    ),
    view: join(a.view, b.view),
    labels: join(a.labels, b.labels),
    groups: join(a.groups, b.groups),
  };
}

/** Number of examples of each class, [c]. */
export function countByClass(labels: ArrayLike<number>, classes: number): Int32Array {
  const counts = new Int32Array(classes);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts;
}
