// Pages without Node's types need the library that declares AsyncDisposable.
/// <reference lib="esnext.disposable" preserve="true" />
import { type Abortable, atOnce, inTurns, type Pieces, waitFor } from '../abort.ts';
import { closable } from '../closable.ts';
import { signalOf } from '../deprecation.ts';
import type { KeyCache } from '../engine/keys/types.ts';
import type { Engine, Session } from '../engine/types.ts';
import { ModelError, UsageError } from '../errors.ts';
import { type Expr, input } from '../graph/expression.ts';
import { interpret } from '../graph/interpret.ts';
import { type Matrix, matrix, row, rowRange } from '../math/matrix.ts';
import { floatTensor, sizeOf, type Tensor } from '../math/tensor.ts';
import { cacheOrder, fedCache } from './cache.ts';
import { isInFile } from './file-rows.ts';
import {
  headInputs,
  type Method,
  prepared,
  type State,
  type SymbolicState,
  type SymbolicTask,
  scoresOf,
} from './method.ts';
import { checkNeeds } from './needs.ts';
import { checkTask, type Task } from './task.ts';

/** A fitted method as a graph over the features `f` [m, d], and the tensors for its other inputs. */
export interface BoundMethod {
  readonly f: Expr;
  readonly state: SymbolicState;
  readonly task: SymbolicTask;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** Makes a fitted state and its task into inputs of a graph. Their sizes are part of the graph, and their numbers are fed. */
export function bindMethod(method: Method, state: State, task: Task): BoundMethod {
  return atOnce(bindInPieces(method, state, task));
}

/** The same as a generator that pauses between pieces of work. */
export function* bindInPieces(method: Method, state: State, task: Task): Pieces<BoundMethod> {
  checkTask(task);
  checkNeeds(method, task, { fitted: true });
  const { task: symbolic, feeds } = headInputs(task);
  const feed = (name: string, value: Tensor | number): Expr => {
    const tensor = typeof value === 'number' ? floatTensor([], Float32Array.of(value)) : value;
    feeds[name] = tensor;
    return input(name, tensor.shape);
  };
  const whole = yield* prepared(method, state, task);
  const tower = method.readsTexts && task.textTower?.tower;
  if (tower) Object.assign(feeds, tower.weights);
  return {
    f: input('f', ['m', task.dimension]),
    state: {
      ...Object.fromEntries(
        Object.entries(whole).map(([name, value]) => [name, feed(`state.${name}`, value)]),
      ),
      ...(answersElsewhere(method, whole, task) ? fedCache(task) : {}),
    },
    task: { ...symbolic, ...(tower && { tower }) },
    feeds,
  };
}

/** Whether the cache's keys are outside the state, so that their file or the caller computes the votes. */
function answersElsewhere({ votes }: Method, whole: State, { support, cache }: Task): boolean {
  return votes !== undefined && !('keys' in whole) && (cache !== undefined || isInFile(support.features));
}

/** Affinities of the queries of one run: a few tens of megabytes. */
const CHUNK_NUMBERS = 1 << 24;
/** The memory that a text tower needs at once, as a multiple of its input's size (approximately). */
const PASSES = 8;

/** A fitted method that is ready to score any number of feature rows. */
export interface Scorer {
  /** Scores [m, c] of embeddings [m, d] as the encoder gives them. */
  scores(features: Matrix, work?: Abortable): Promise<Matrix>;
  /** Each term of the scores, [m, c]. */
  terms(features: Matrix, work?: Abortable): Promise<Record<string, Matrix>>;
  /** Each term of the scores, [m, c], and if there is a cache, each example's `votes`, [m, n]. */
  termsAndVotes(features: Matrix, work?: Abortable): Promise<Record<string, Matrix>>;
  close(): Promise<void>;
}

/**
 * Returns a scorer of a method's state on an engine. The caller closes it. Throws `UsageError` if the task lacks something the method
 * needs.
 */
export async function createScorer(
  engine: Engine,
  method: Method,
  state: State,
  task: Task,
): Promise<Scorer & AsyncDisposable> {
  const bound = await inTurns(bindInPieces(method, state, task), task.signal);
  const { features: rows, labels } = task.support;
  const opened =
    bound.state.classSums && !task.cache && isInFile(rows)
      ? engine.openKeys(rows.file, labels, task.classes)
      : undefined;
  const cache: KeyCache | undefined = bound.state.classSums && (task.cache ?? opened);
  const keys = bound.feeds['state.keys']?.shape[0] ?? 0;
  // A query of a method that reads texts passes all prompts through the tower.
  const texts = method.readsTexts
    ? Object.entries(bound.feeds).filter(([name]) => name.startsWith('state.'))
    : [];
  const perQuery = texts.reduce((most, [, { shape }]) => Math.max(most, PASSES * sizeOf(shape)), 0);
  const chunk = Math.max(
    perQuery > 0 ? 1 : 16,
    Math.floor(CHUNK_NUMBERS / Math.max(keys, task.classes, task.dimension, perQuery)),
  );
  const sessions = new Map<string, Promise<Session>>();

  const compiled = (name: string, outputs: () => Record<string, Expr>): Promise<Session> => {
    let session = sessions.get(name);
    if (!session) {
      session = engine.compile(outputs()).then(async (ready) => {
        const used = new Set(ready.inputs.map((port) => port.name));
        await ready.keep(Object.fromEntries(Object.entries(bound.feeds).filter(([key]) => used.has(key))));
        return ready;
      });
      sessions.set(name, session);
    }
    return session;
  };

  /** The results of a cache outside the graph for the queries, as far as the session has inputs for them. */
  async function answersOf(
    { inputs }: Session,
    queries: Matrix,
    signal?: AbortSignal,
  ): Promise<Record<string, Tensor>> {
    const asked = new Set(inputs.map(({ name }) => name));
    const answers: Record<string, Tensor> = {};
    if (!cache) return answers;
    const beta = sharpness(method, state);
    if (asked.has('affinities')) {
      const votes = matrix(queries.rows, labels.length);
      const sums = matrix(queries.rows, task.classes);
      for (let i = 0; i < queries.rows; i++) {
        row(votes, i).set(await cache.votes(row(queries, i), beta, signal));
        const own = row(sums, i);
        row(votes, i).forEach((vote, example) => {
          own[labels[example]!]! += vote;
        });
      }
      answers.affinities = floatTensor([votes.rows, votes.cols], votes.data);
      answers.classSums = floatTensor([sums.rows, sums.cols], sums.data);
    } else if (asked.has('classSums')) {
      const sums = await cache.classSums(queries, beta, signal);
      answers.classSums = floatTensor([sums.rows, sums.cols], sums.data);
    }
    return answers;
  }

  async function run(
    session: Session,
    features: Matrix,
    signal?: AbortSignal,
  ): Promise<Record<string, Matrix>> {
    const out: Record<string, Matrix> = {};
    for (let start = 0; start < features.rows; start += chunk) {
      const m = Math.min(chunk, features.rows - start);
      const queries = rowRange(features, start, start + m);
      const f = floatTensor([m, features.cols], queries.data);
      const results = await session.run({ f, ...(await answersOf(session, queries, signal)) }, { signal });
      for (const [name, { shape, data }] of Object.entries(results)) {
        if (!allFinite(data as Float32Array)) throw noNumber(method, name);
        out[name] ??= matrix(features.rows, shape[1]!);
        out[name].data.set(data as Float32Array, start * shape[1]!);
      }
    }
    return out;
  }

  let order: Int32Array | undefined;

  function byExample(placed: Matrix): Matrix {
    order ??= cacheOrder(labels, task.classes);
    const out = matrix(placed.rows, labels.length);
    for (let i = 0; i < out.rows; i++) {
      order.forEach((example, place) => {
        if (example >= 0) out.data[i * out.cols + example] = placed.data[i * placed.cols + place]!;
      });
    }
    return out;
  }

  return closable<Scorer>({
    scores: async (features, work = {}) => {
      const signal = signalOf(work);
      const ready = compiled('scores', () => ({
        scores: scoresOf(method, bound.f, bound.state, bound.task),
      }));
      return (await run(await waitFor(ready, signal), features, signal)).scores ?? matrix(0, task.classes);
    },
    terms: async (features, work = {}) => {
      const signal = signalOf(work);
      const ready = compiled('terms', () => method.terms(bound.f, bound.state, bound.task));
      return run(await waitFor(ready, signal), features, signal);
    },
    termsAndVotes: async (features, work = {}) => {
      const signal = signalOf(work);
      const ready = compiled('votes', () => ({
        ...method.terms(bound.f, bound.state, bound.task),
        ...(method.votes ? { votes: method.votes(bound.f, bound.state) } : {}),
      }));
      const { votes, ...terms } = await run(await waitFor(ready, signal), features, signal);
      return votes ? { ...terms, votes: cache ? votes : byExample(votes) } : terms;
    },
    close: async () => {
      await opened?.close();
      for (const session of sessions.values()) await (await session).close();
    },
  });
}

/** The beta that a cache outside the graph uses. */
function sharpness({ id }: Method, { beta }: State): number {
  if (typeof beta === 'number') return beta;
  throw new UsageError(
    `The method ${id} has its keys in a cache outside the graph, but its state has no number beta`,
    {
      code: 'method/beta',
      hint: 'Keep beta as a number of the state, or add the keys in prepare.',
      details: { method: id },
    },
  );
}

function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function noNumber({ id }: Method, what: string): ModelError {
  return new ModelError(`The classifier's ${what} are not all numbers`, {
    code: 'method/not-finite',
    hint: 'The features, or the numbers that its method has learnt, are too large to compute with. Fit it again.',
    details: { method: id, what },
  });
}

/**
 * Scores [m, c] of features [m, d] on plain matrices, in float64 and without a runtime. It is for small problems and for reading code along
 * with a paper; `createScorer` is the fast way.
 */
export function scoreRows(method: Method, state: State, task: Task, features: Matrix): Matrix {
  const bound = bindMethod(method, state, task);
  const outputs = { scores: scoresOf(method, bound.f, bound.state, bound.task) };
  const f = floatTensor([features.rows, features.cols], features.data);
  const { scores } = interpret(outputs, { ...bound.feeds, f });
  return matrix(features.rows, task.classes, Float32Array.from(scores.data));
}
