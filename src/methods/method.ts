import type { Pieces } from '../abort.ts';
import { UsageError } from '../errors.ts';
import { add } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { Task } from './task.ts';

/**
 * What a method learnt: named tensors and scalars and nothing else. Saving stores it, exporting makes it constants,
 * running feeds it, training differentiates by it.
 */
export type State = Readonly<Record<string, Tensor | number>>;

/** What a state has under a name, so that a file's can be checked: a tensor of these sizes (any, where `null`), or a number. */
export interface Held {
  readonly shape?: readonly (number | null)[];
  /** Where its numbers lie; `above` itself is not among them. */
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly whole?: boolean;
  /** Rows of length 1, or of zeros. */
  readonly unit?: boolean;
}

/** A number of a state that weighs or sharpens: 0 or more. */
export const WEIGHT: Held = { least: 0 };
/** A number of a state that scales: above 0. */
export const SCALE: Held = { above: 0 };
/** A number of a state that is a share: 0 to 1. */
export const SHARE: Held = { least: 0, most: 1 };
/** A number of a state that counts: 0, 1, 2 and so on. */
export const COUNT: Held = { least: 0, whole: true };

/** A state, and the parts of a task, as expressions. */
export type SymbolicState<S extends State = State> = { readonly [Name in keyof S]: Expr };

/** What `terms` sees of a task: the number of classes, and the text head where there is one. */
export interface SymbolicTask {
  readonly classes: number;
  readonly head?: SymbolicHead;
}

/** The text head: unit rows [c, d] and the logit scale. */
export interface SymbolicHead {
  readonly weights: Expr;
  readonly logitScale: Expr;
}

interface HeadInputs<T extends SymbolicTask, Name extends string> {
  readonly task: T;
  readonly feeds: Record<Name, Tensor>;
}

/** The text head as inputs of a graph, and what they are fed. */
export function headInputs(
  task: TaskWith<'text'>,
): HeadInputs<SymbolicTaskWith<'text'>, 'head.weights' | 'head.logitScale'>;
export function headInputs(task: Task): HeadInputs<SymbolicTask, string>;
export function headInputs({ classes, head }: Task): HeadInputs<SymbolicTask, string> {
  if (!head) return { task: { classes }, feeds: {} };
  const { weights, logitScale } = head;
  const shape = [weights.rows, weights.cols];
  return {
    task: {
      classes,
      head: { weights: input('head.weights', shape), logitScale: input('head.logitScale', []) },
    },
    feeds: {
      'head.weights': floatTensor(shape, weights.data),
      'head.logitScale': floatTensor([], Float32Array.of(logitScale)),
    },
  };
}

/** What a method cannot do without. */
export type Need = 'text' | 'examples' | 'two-examples' | 'several-prompts' | 'text-tower';

/** The part of a task that is there where a need is met, by need. */
export interface NeededParts {
  text: 'head';
  'several-prompts': 'head';
  'text-tower': 'textTower';
}

/** A task that has what these needs name. */
export type TaskWith<N extends Need> = Task & Required<Pick<Task, NeededParts[N & keyof NeededParts]>>;
/** The same as expressions. */
export type SymbolicTaskWith<N extends Need> = SymbolicTask &
  Required<Pick<SymbolicTask, NeededParts[N & keyof NeededParts] & keyof SymbolicTask>>;

/** Prompts, where class names are not read or have prompts of the method's own; views, where no example is learnt from. */
export type Ignored = 'prompts' | 'views';

/**
 * A way to turn support examples and a text head into scores; one file each, reading like its paper. Its functions are called with tasks
 * that have what it `needs`: `checkNeeds` refuses others. `S` is the state it learns, `P` the prepared one it scores with.
 */
export interface Method<
  O extends Options = Options,
  N extends Need = never,
  S extends State = State,
  P extends State = State,
> {
  readonly id: string;
  readonly name: string;
  /** Authors, venue, arXiv number. */
  readonly paper: string;
  readonly needs: readonly Need[];
  /** What of a task it never looks at. */
  readonly ignores?: readonly Ignored[];
  /** Pairs of its options of which the second has no effect where the first is given. */
  readonly overridden?: readonly (readonly [by: string, option: string])[];
  /** Learns by steps of an optimiser: it can rest, and be interrupted and continued. */
  readonly trains?: true;
  readonly options: O;
  /** Learns from the task's support set. */
  fit(task: TaskWith<N>, options: ValuesOf<O>): S | Promise<S>;
  /** What the state has that `fit` gives: all of it, and nothing else. */
  holds(
    task: Pick<Task, 'classes' | 'dimension' | 'support' | 'head'>,
    options: ValuesOf<O>,
  ): Readonly<Record<string, Held>>;
  /**
   * The values of its options that a search tries, all of them, as a path from strong to weak regularisation or back: each begins
   * where the one before ended; `given` are those that are held. Absent where nothing is chosen.
   */
  search?(task: TaskWith<N>, given: Partial<ValuesOf<O>>): readonly Partial<ValuesOf<O>>[];
  /**
   * The states for each subset of the examples, for one candidate's options after the other, where that is faster than one fit
   * after the other.
   */
  fitSubsets?(
    task: TaskWith<N>,
    subsets: readonly (readonly number[])[],
    candidates: readonly ValuesOf<O>[],
  ): AsyncIterable<S[]>;
  /**
   * Adds what follows from the support set and the state alone, and is therefore not saved: keys in cache order, … Where that takes
   * long it is a generator that rests at each `yield`.
   */
  prepare(state: S, task: TaskWith<N>): P | Pieces<P>;
  /**
   * The score of each class, [m, c], as terms that add up to it, named by where they come from: `text` for the zero-shot
   * part, `cache` for the examples' votes, `method` for anything else. `f` holds embeddings as the encoder gives them, [m, d].
   */
  terms(f: Expr, state: SymbolicState<P>, task: SymbolicTaskWith<N>): Readonly<Record<string, Expr>>;
  /** Each key's vote for its own class, [m, n] in the order of the prepared keys, where the method has a cache. */
  votes?(f: Expr, state: SymbolicState<P>): Expr;
  /**
   * How many of the task's examples, of how many folds, it leaves out itself to set the scale of its scores: they are log-odds as they
   * are, and no temperature is looked for among the folds. Undefined where these options leave that to others.
   */
  calibrates?(task: TaskWith<N>, options: ValuesOf<O>): { judges: number; folds: number } | undefined;
  /** The options that its paper has for a data set, where they are not the defaults; by the name of the data set's prompts. */
  published?(dataset: string, given: Partial<ValuesOf<O>>): Partial<ValuesOf<O>>;
  /** What it takes otherwise than its paper on a task, in words that stand beside the result. */
  remarks?(task: TaskWith<N>, options: ValuesOf<O>): readonly string[];
  /** Its training counts the task's validation rows that are right after every epoch. */
  readonly validates?: true;
  /** Made of other methods by `auto`, and not to be asked for. */
  readonly composite?: true;
  /** How `auto` considers it; methods without this are not considered. */
  readonly auto?: AutoRole<N>;
  /** `auto` is compared with it, in this order. */
  readonly baseline?: number;
  /** One of those that benchmarks compare unless others are asked for. */
  readonly benchmarked?: true;
}

/** What `auto` needs to know of a method. */
export interface AutoRole<N extends Need = never> {
  /** Methods are tried in this order; without tuning rows, the first that suits is taken. */
  readonly order: number;
  /** Fitted in closed form: considered where trained methods are not wanted. */
  readonly closedForm?: true;
  /** Its scores are log-odds for any encoder as they are: it may be taken where nothing can be tuned. */
  readonly untuned?: true;
  /**
   * The options with which it is taken by rule where folds would not see what it learns of so few examples: alone without a text head or
   * where nothing else needs no tuning, otherwise pooled with what is chosen of the others. Undefined where it is not.
   */
  byRule?(task: TaskWith<N>): Readonly<Record<string, unknown>> | undefined;
  /** Whether the examples are enough for it, beyond what it needs. */
  suits?(task: TaskWith<N>): boolean;
  /** Ids of methods that add nothing to this one on the task, and cost more. */
  replaces?(task: TaskWith<N>): readonly string[];
}

/** What `prepare` gives, in pieces. */
export function* prepared<O extends Options, N extends Need, S extends State, P extends State>(
  method: Method<O, N, S, P>,
  state: S,
  task: TaskWith<N>,
): Pieces<P> {
  const made = method.prepare(state, task);
  return Symbol.iterator in made ? yield* made as Pieces<P> : made;
}

/** Keeps the types of a method's options and states, and gives its functions tasks that have what it needs. */
export function defineMethod<const O extends Options, const N extends Need, S extends State, P extends State>(
  method: Method<O, N, S, P> & { readonly needs: readonly N[] },
): Method<O, N, S, P> {
  return method;
}

/** The sum of a method's terms, [m, c]. */
export function scoresOf(method: Method, f: Expr, state: SymbolicState, task: SymbolicTask): Expr {
  return Object.values(method.terms(f, state, task)).reduce((total, term) => add(total, term));
}

/**
 * Refuses a task that lacks what the method needs, to be fitted or, with `fitted`, to score with what it learnt before. Throws
 * `UsageError`.
 */
export function checkNeeds(
  method: Method,
  { head, support, textTower, classes }: Task,
  { fitted = false }: { fitted?: boolean } = {},
): void {
  const refuse = (what: string, hint: string): never => {
    throw new UsageError(`${method.name} needs ${what}`, {
      code: 'method/needs',
      hint,
      details: { method: method.id },
    });
  };
  if (method.needs.includes('text') && !head) {
    refuse(
      'a text head',
      'Use a method without text, such as visual-only, or features with class embeddings.',
    );
  }
  if (method.needs.includes('examples') && support.labels.length === 0) {
    refuse('labelled examples', 'Give some, or use zero-shot.');
  }
  if (classes < 2)
    refuse('at least two classes', 'A classifier chooses between classes: add a second folder of pictures.');
  if (fitted) return;
  if (method.needs.includes('two-examples') && largest(support.labels) < 2) {
    refuse('two examples of a class', 'Give more pictures, or use tip-adapter or anchored.');
  }
  if (method.needs.includes('several-prompts') && largest(head?.promptClass ?? []) < 2) {
    refuse('several prompts per class', 'Give --template more than once, or --prompts imagenet.');
  }
  if (method.needs.includes('text-tower') && !textTower) {
    refuse(
      'an encoder whose text tower takes learnt words',
      'Use a CLIP that is built from weights: tip-adapter encoders list names them.',
    );
  }
}

/** How often the most frequent number occurs. */
function largest(numbers: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < numbers.length; i++) counts.set(numbers[i]!, (counts.get(numbers[i]!) ?? 0) + 1);
  let most = 0;
  for (const n of counts.values()) most = Math.max(most, n);
  return most;
}
