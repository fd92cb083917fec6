import type { Pieces } from '../abort.ts';
import { add } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import type { Products } from '../linalg/matrix-products.ts';
import type { RowAdder } from '../linalg/row-adder.ts';
import type { Matrix } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { Samples } from './samples.ts';
import type { Sums } from './summary.ts';
import type { Task } from './task.ts';
import type { TextTower } from './text-tower.ts';

/**
 * The learnt content of a method: only named tensors and scalars. It is saved in the file, exported as constants, and fed to a run, and a
 * training differentiates by it.
 */
export type State = Readonly<Record<string, Tensor | number>>;

/** An entry of a state, by which the state of a file is checked: a tensor with these sizes (`null` for any size), or a number. */
export interface Held {
  /** Sizes; `null` is any size, and a name is any size that all tensors with this name have. */
  readonly shape?: readonly (number | string | null)[];
  /** Bounds of its numbers. `above` itself is not allowed. */
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly whole?: boolean;
  /** Rows of length 1, or rows of zeros. */
  readonly unit?: boolean;
}

/** The id of the method that `auto` makes of several methods. */
export const STACK = 'stack';

/** A number of a state that is a weight or a sharpness: 0 or more. */
export const WEIGHT: Held = { least: 0 };
/** A number of a state that is a scale: above 0. */
export const SCALE: Held = { above: 0 };
/** A number of a state that is a share: 0 to 1. */
export const SHARE: Held = { least: 0, most: 1 };
/** A number of a state that is a count: 0, 1, 2 and so on. */
export const COUNT: Held = { least: 0, whole: true };

/** A state, and the parts of a task, as expressions. */
export type SymbolicState<S extends State = State> = { readonly [Name in keyof S]: Expr };

/** The parts of a task that `terms` gets: the number of classes, and the text head if there is one. */
export interface SymbolicTask {
  readonly classes: number;
  readonly head?: SymbolicHead;
  /** The open text tower, for a method that `readsTexts`. */
  readonly tower?: TextTower;
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

/** The text head as inputs of a graph, and the tensors for these inputs. */
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

/** Something that a method requires of a task. */
export type Need = 'text' | 'examples' | 'two-examples' | 'several-prompts' | 'text-tower' | 'projection';

/** The part of a task that is present if a need is met, for each need. */
export interface NeededParts {
  text: 'head';
  'several-prompts': 'head';
  'text-tower': 'textTower';
  projection: 'projection';
}

/** A task that meets the needs `N`. */
export type TaskWith<N extends Need> = Task & Required<Pick<Task, NeededParts[N & keyof NeededParts]>>;
/** The same task as expressions. */
export type SymbolicTaskWith<N extends Need> = SymbolicTask &
  Required<Pick<SymbolicTask, NeededParts[N & keyof NeededParts] & keyof SymbolicTask>>;

/** Settings that a method ignores: prompts, if it does not read class names or has its own prompts; views, if it learns from no example. */
export type Ignored = 'prompts' | 'views';

/**
 * Makes scores from support examples and a text head. Each method is one file that follows its paper. Its functions are called only with
 * tasks that meet its `needs`; `checkNeeds` refuses others. `S` is the state that it learns, and `P` the prepared state that it scores
 * with.
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
  /** The method's equations, the published figures and omissions, in Markdown, for docs/methods.md. */
  readonly notes?: string;
  readonly needs: readonly Need[];
  /** Settings that it ignores. */
  readonly ignores?: readonly Ignored[];
  /** Pairs of its options. The second one has no effect if the first one is given. */
  readonly overridden?: readonly (readonly [by: string, option: string])[];
  /** It learns by steps of an optimiser. A training can pause, and can be interrupted and continued. */
  readonly trains?: true;
  readonly options: O;
  /** Learns from the task's support set. */
  fit(task: TaskWith<N>, options: ValuesOf<O>): S | Promise<S>;
  /** The entries of the state that `fit` returns: all of them, and no others. */
  holds(
    task: Pick<Task, 'classes' | 'dimension' | 'support' | 'head'>,
    options: ValuesOf<O>,
  ): Readonly<Record<string, Held>>;
  /**
   * The candidates of a search, as a path from strong to weak regularisation or the reverse. Each fit starts from the solution of the one
   * before. `given` are the values that the user fixed. It is absent if there is nothing to choose.
   */
  search?(task: TaskWith<N>, given: Partial<ValuesOf<O>>): readonly Partial<ValuesOf<O>>[];
  /** Options that follow from the examples, for tasks in which none can be left out. Absent if these are the defaults. */
  byExamples?(task: TaskWith<N>): Promise<Partial<ValuesOf<O>>>;
  /**
   * The only option that `search` varies, if its values are a path with equal ratios. If the best value is an end of the path, the search goes
   * on beyond it, up to the limits of the option: constants that suit one encoder may be far from those of another.
   */
  readonly path?: string;
  /**
   * Returns the states of each subset of the examples, for one candidate after the other. It is present if this is faster than separate
   * fits.
   */
  fitSubsets?(
    task: TaskWith<N>,
    subsets: readonly (readonly number[])[],
    candidates: readonly ValuesOf<O>[],
  ): AsyncIterable<S[]>;
  /**
   * Adds what follows from the support set and the state alone and is therefore not saved, such as the keys in cache order. If that takes
   * long, it is a generator that pauses at each `yield`.
   */
  prepare(state: S, task: TaskWith<N>): P | Pieces<P>;
  /**
   * The scores of the classes, [m, c], as the sum of terms that are named by their origin: `text` for the zero-shot part, `cache` for the
   * examples' votes, `method` for anything else. `f` holds embeddings as the encoder gives them, [m, d].
   */
  terms(f: Expr, state: SymbolicState<P>, task: SymbolicTaskWith<N>): Readonly<Record<string, Expr>>;
  /** The vote of each key for its class, [m, n], in the order of the prepared keys. It is present if the method has a cache. */
  votes?(f: Expr, state: SymbolicState<P>): Expr;
  /**
   * The number of examples that the method leaves out itself to set the scale of its scores, and the number of folds. Its scores are then
   * log-odds, and no temperature is fitted on the folds. Returns undefined if the method leaves the scale to others with these options.
   */
  calibrates?(task: TaskWith<N>, options: ValuesOf<O>): { judges: number; folds: number } | undefined;
  /** The options that its paper gives for a data set, if they are not the defaults. `dataset` is the name of the data set's prompts. */
  published?(dataset: string, given: Partial<ValuesOf<O>>): Partial<ValuesOf<O>>;
  /** The fit's differences from the paper, and measurements of the approximation. They are shown with the result. */
  remarks?(task: TaskWith<N>, options: ValuesOf<O>, state: S): readonly string[];
  /** How it learns from sums over the examples in place of the examples. Its state then holds everything that scores need. */
  readonly summary?: SummaryForm<O, N, S>;
  /** Its scores encode texts anew for every picture: the text tower has to be there for answers too. */
  readonly readsTexts?: true;
  /** Its training counts the correct validation rows of the task after every epoch. */
  readonly validates?: true;
  /** It is made of other methods by `auto`, and cannot be chosen by name. */
  readonly composite?: true;
  /** How `auto` considers it. `auto` does not consider methods without this field. */
  readonly auto?: AutoRole<N>;
  /**
   * The method's scores depend only on inner products of features and text rows (and on `spaceDimension`), so they are the same in all
   * orthonormal coordinates of these rows.
   */
  readonly rotates?: true;
  /** `auto` is compared with it, in this order. */
  readonly baseline?: number;
  /** Benchmarks include it by default. */
  readonly benchmarked?: true;
}

/** Sums over unit rows. */
export interface SumForm<O extends Options = Options> {
  /** Sizes of the sums beside `counts`. */
  shapes(
    task: Pick<Task, 'classes' | 'dimension'>,
    options: ValuesOf<O>,
    basis: Sums['basis'],
  ): Readonly<Record<string, readonly number[]>>;
  /** Adds unit rows to the sums, except to `counts`. */
  add(
    sums: Sums,
    samples: Samples,
    how: {
      readonly task: Pick<Task, 'classes' | 'dimension'>;
      readonly options: ValuesOf<O>;
      readonly products: Products;
      /** Adds rows to sums in float64. The sums are complete at the end, and not before. */
      readonly adder: RowAdder;
    },
  ): Promise<void> | void;
}

/** Reads all rows again and returns the sums of one of the form's `passes`, for this basis and the options of the fit. */
export type SumPass = (name: string, basis: Sums['basis']) => Promise<Sums>;

/** How a fit from a summary reads the rows again, and tells what its result lacks. */
export interface Passes {
  readonly pass: SumPass;
  /** Whether the state is the result. Otherwise it decides a temperature, and is the start of the result. */
  readonly isLast: boolean;
  warn(message: string): void;
}

/** How a method learns from a summary of the examples, if they do not fit into memory. */
export interface SummaryForm<O extends Options = Options, N extends Need = never, S extends State = State>
  extends SumForm<O> {
  /** Returns the reason why sums do not suffice with these options. Undefined if they do. */
  refuses?(options: ValuesOf<O>): string | undefined;
  /**
   * Names of the options that the sums depend on. Summaries with other values of them are not merged, and no state is learnt from them.
   * Options that only decide the basis are left out, because the basis itself is compared.
   */
  readonly sumOptions?: readonly (string & keyof O)[];
  /** The basis that the rows are compared with while they are summed up, if sums alone do not suffice. */
  readonly basis?: SummaryBasis<O>;
  /** Sums of later readings of the same rows, by name. Each has a basis that follows from the sums before. */
  readonly passes?: Readonly<Record<string, SumForm<O>>>;
  /**
   * The number of rows that are drawn from all, if sums do not suffice and `fit` reads the rows again. Options are chosen with the method's
   * own `fit` on this draw.
   */
  sample?(task: Pick<Task, 'classes' | 'dimension'>): number;
  /** Learns from the sums. The task's support is the draw of `sample`, or empty. */
  fit(sums: Sums, task: TaskWith<N>, options: ValuesOf<O>, passes?: Passes): Promise<S>;
  /** Compares a state with the examples that it was learnt from, on left-out unit rows [q, d]. The result are entries of the state. */
  compare?(state: S, queries: Matrix, task: TaskWith<N>, pass: SumPass): Promise<State>;
  /** Names of the entries of the state about its error. `fit` does not measure them, so `add` keeps those that were measured before. */
  readonly measured?: readonly (string & keyof S)[];
  /** Entries of the state about its error, which are measured on the left-out unit rows alone, in place of `compare`. */
  measure?(left: Samples, task: TaskWith<N>, options: ValuesOf<O>): Promise<State>;
}

/** Rows or other tensors that are chosen before the rows are summed up. Summaries are merged only if they have the same basis. */
export interface SummaryBasis<O extends Options = Options> {
  shapes(
    task: Pick<Task, 'classes' | 'dimension'>,
    options: ValuesOf<O>,
  ): Readonly<Record<string, readonly number[]>>;
  /** The number of rows of each class that it is chosen from. */
  sample(options: ValuesOf<O>): number;
  choose(
    samples: Samples,
    task: Pick<Task, 'classes' | 'signal'>,
    options: ValuesOf<O>,
  ): Promise<Sums['basis']>;
}

/** The facts that `auto` needs about a method. */
export interface AutoRole<N extends Need = never> {
  /** Methods are tried in this order. Without tuning rows, the first suitable one is chosen. */
  readonly order: number;
  /** It is fitted in closed form, and is considered even if trained methods are excluded. */
  readonly closedForm?: true;
  /** Its scores are log-odds for every encoder without tuning, so it may be chosen if there are no tuning rows. */
  readonly untuned?: true;
  /**
   * The options with which `auto` takes it by rule, where folds have too few examples to show what it learns. It is taken alone if there is
   * no text head or no other method works without tuning. Otherwise it is pooled with the choice among the others. Returns undefined if it
   * is not taken by rule.
   */
  byRule?(task: TaskWith<N>): Readonly<Record<string, unknown>> | undefined;
  /** Whether there are enough examples for it, beyond what it needs. */
  suits?(task: TaskWith<N>): boolean;
  /** Ids of methods that add nothing to this one on the task and cost more. */
  replaces?(task: TaskWith<N>): readonly string[];
}

/** Runs `prepare` in pieces. */
export function* prepared<O extends Options, N extends Need, S extends State, P extends State>(
  method: Method<O, N, S, P>,
  state: S,
  task: TaskWith<N>,
): Pieces<P> {
  const made = method.prepare(state, task);
  return Symbol.iterator in made ? yield* made as Pieces<P> : made;
}

/** Keeps the types of a method's options and states, and types the tasks of its functions by its needs. */
export function defineMethod<const O extends Options, const N extends Need, S extends State, P extends State>(
  method: Method<O, N, S, P> & { readonly needs: readonly N[] },
): Method<O, N, S, P> {
  return method;
}

/** The sum of a method's terms, [m, c]. */
export function scoresOf(method: Method, f: Expr, state: SymbolicState, task: SymbolicTask): Expr {
  return Object.values(method.terms(f, state, task)).reduce((total, term) => add(total, term));
}
