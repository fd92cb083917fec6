import type { Engine } from '../engine/types.ts';
import { UsageError } from '../errors.ts';
import type { Matrix } from '../math/matrix.ts';
import type { Task } from '../methods/task.ts';
import type { Options, ValuesOf } from '../options.ts';

/** The input of a transductive method: the classifier's task, and m pictures (2 or more) without labels. */
export interface Batch {
  readonly task: Task;
  /** The pictures' unit rows, [m, d]. */
  readonly features: Matrix;
  /** The classifier's scores of the pictures, divided by its temperature, [m, c]. Their softmax is its own answer. */
  readonly logits: Matrix;
}

/** The engine that a method computes with, and the signal that stops it. */
interface Computing {
  readonly engine?: Engine;
  readonly signal?: AbortSignal;
}

interface Described<O extends Options> {
  readonly id: string;
  readonly name: string;
  /** Authors, venue, arXiv number. */
  readonly paper: string;
  readonly needs: readonly 'text'[];
  readonly options: O;
}

/**
 * A transductive method: it answers all pictures of a batch together, on top of any classifier, and the answer for a picture depends on
 * the other pictures.
 */
export interface TransductiveMethod<O extends Options = Options> extends Described<O> {
  /** Returns the probabilities of the classes, [m, c], in rows that add up to 1. */
  probabilities(batch: Batch, options: ValuesOf<O>, computing: Computing): Promise<Matrix>;
}

/** One picture of a stream. */
interface StreamedPicture {
  /** Unit row, [d]. */
  readonly feature: Float32Array;
  /** The classifier's scores divided by its temperature, [c]. */
  readonly logits: Float32Array;
}

/** The memory of a test-time method for a stream. */
export interface StreamMemory {
  /** Number of kept pictures. It is bounded by the method's options and the number of classes. */
  readonly size: number;
  /** Takes in the next picture and returns the probabilities of its classes, [c]. */
  next(picture: StreamedPicture): Float32Array;
}

/**
 * A test-time method: it answers pictures one after the other, on top of any classifier, and keeps some of them with the classes that it
 * takes them for. The answer for a picture depends on those before it.
 */
export interface TestTimeMethod<O extends Options = Options> extends Described<O> {
  start(task: Task, options: ValuesOf<O>): StreamMemory;
}

/** Keeps the types of a method's options. */
export function defineTransductive<const O extends Options>(
  method: TransductiveMethod<O>,
): TransductiveMethod<O> {
  return method;
}

/** Keeps the types of a method's options. */
export function defineTestTime<const O extends Options>(method: TestTimeMethod<O>): TestTimeMethod<O> {
  return method;
}

/** Throws `UsageError` if the method needs class names and the classifier has none. */
export function checkNames({ id, name, needs }: Described<Options>, { head }: Task): void {
  if (!needs.includes('text') || head) return;
  throw new UsageError(`${name} needs class names, and this classifier has none`, {
    code: 'method/needs',
    hint: 'Choose a method that needs no names: transclip or em-dirichlet for pictures together, tda for a stream.',
    details: { method: id },
  });
}
