import type { KeyCache } from '../engine/keys/types.ts';
import type { TrainingState } from '../engine/training/types.ts';
import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import { concatRows, type Matrix, matrix, row, selectRows, unitRows } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { count } from '../words.ts';
import type { Projection } from './projection.ts';
import type { TextTower } from './text-tower.ts';

/** The labelled examples that a method learns from: n examples in r rows. An example has one row for each of its views. */
export interface Support {
  /** Embeddings as the encoder gives them, [r, d]. */
  readonly features: Matrix;
  /** The example that each row shows, [r], in 0..n-1. */
  readonly example: Int32Array;
  /** The view of each row, [r]: 0 is the plain view, 1, 2 and so on are augmented ones. */
  readonly view: Int32Array;
  /** Class of each example, [n]. */
  readonly labels: Int32Array;
  /** The group of each example, [n]. Examples of a group are never split between a fold's query and its cache. */
  readonly groups: Int32Array;
  /**
   * Whether a key is the mean of embeddings as the encoder gives them, like in the published code. Otherwise it is the mean of unit rows.
   */
  readonly averagesEmbeddings?: true;
}

/** The zero-shot classifier, made from the text encoder's embeddings of the class names. */
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

/** A classification problem, as methods receive it. */
export interface Task {
  readonly classes: number;
  /** Numbers of a row of features, d. */
  readonly dimension: number;
  /** The number of dimensions of the encoder's space, if features and text rows are in the (fewer) coordinates of their span. */
  readonly spaceDimension?: number;
  readonly support: Support;
  /** Missing if there is no text encoder. Methods that need it refuse the task. */
  readonly head?: TextHead;
  /** The text encoder, if learnt words can be put into it, and the class names for its prompts. */
  readonly textTower?: { readonly tower: TextTower; readonly names: readonly string[] };
  /** The image tower's last linear map, if the rows have the features before it. */
  readonly projection?: Projection;
  /**
   * Computes the votes of the examples' keys, if the caller has them in memory. No keys are then laid out for scoring. The caller closes
   * it.
   */
  readonly cache?: KeyCache;
  readonly seed: number;
  /** Runs fits that need much computation. Without it they run on the interpreter, which is for small problems. */
  readonly engine?: Engine;
  readonly signal?: AbortSignal;
  /** The method's state for nearly the same examples. A convex fit starts there. */
  readonly start?: Readonly<Record<string, Tensor | number>>;
  /**
   * Rows with known classes, by which a training chooses its best epoch. Without them, or with `watches`, a training keeps the last epoch.
   */
  readonly validation?: {
    readonly features: Matrix;
    readonly labels: Int32Array;
    readonly watches?: boolean;
  };
  /** Keeps the state of a training after every full epoch, so that the training can continue after an interruption. */
  readonly checkpoint?: Checkpoint;
  /** Awaited before every step of a training, which pauses until it resolves. It rejects if the training is to end. */
  resume?(): Promise<void>;
  /** Called by methods that take long, at most once in each step. */
  onProgress?(progress: FitProgress): void;
}

/** A piece of the description of a training: text, or the bytes of numbers. */
export type IdentityPart = string | ArrayBufferView;

/** Keeps the state of a training between runs. */
export interface Checkpoint {
  /**
   * Opens the kept state of the training that the pieces of `identity` describe. Rejects if the stored state belongs to another training.
   */
  open(identity: Iterable<IdentityPart>): Promise<KeptTraining>;
}

/** The kept state of a training, and a function that keeps a newer one. */
export interface KeptTraining {
  /** The state to continue from. It is undefined if the training starts. */
  readonly state?: TrainingState;
  save(state: TrainingState): Promise<void>;
  /** Called if the training is interrupted and returns the state of an earlier epoch. */
  onInterrupted?(progress: Interruption): void;
}

/** An interrupted training: the number of full epochs, and the number of those that were to be done. */
export interface Interruption {
  readonly epochs: number;
  readonly of: number;
}

/** Progress of a fit. */
export interface FitProgress {
  /** Steps that are done, and all steps: steps of an optimiser, points of a search, or folds. */
  readonly done: number;
  readonly total: number;
  /** The name of a step, in the singular: `epoch`, `fold` and so on. */
  readonly unit: string;
  /** Mean training loss and share of correct training rows since the last report. */
  readonly loss?: number;
  readonly accuracy?: number;
  /** Share of the validation rows that are correct, after a full epoch of a training that counts them. */
  readonly validated?: number;
}

/**
 * Makes a support set with one plain view for each example. Throws `UsageError` if the parts do not fit together or contain a number that
 * is not finite.
 */
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
      `The support's features have ${count(support.features.cols, 'column')}, and the task has ${dimension}`,
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
 * One cache key for each example, [n, d] unit rows: the mean of the unit rows of its augmented views, brought to unit length (data
 * augmentation of the published code, section 3.1 of the paper). An example without augmented views uses its plain view. With
 * `averagesEmbeddings` it is the mean of the embeddings.
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

/** Whether every example has one plain row, in order. Then nothing is averaged, and a second pass over many rows is saved. */
export function isPlain({ example, view, labels }: Pick<Support, 'example' | 'view' | 'labels'>): boolean {
  return example.length === labels.length && view.every((v, r) => v === 0 && example[r] === r);
}

/** The plain view of each example, [n, d], as the encoder gives it. An example without one gives its first view. */
export function plainRows({ features, example, view, labels }: Support): Matrix {
  const first = new Int32Array(labels.length).fill(-1);
  for (let r = 0; r < view.length; r++) if (first[example[r]!]! < 0 || view[r] === 0) first[example[r]!] = r;
  return selectRows(features, first);
}

/** The support set of the given examples, renumbered in the given order. */
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

/** Joins two support sets. The examples of the second follow those of the first. */
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
