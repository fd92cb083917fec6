import * as z from 'zod/mini';
import { mul } from '../graph/elementwise.ts';
import type { Expr } from '../graph/expression.ts';
import { logSoftmax } from '../graph/reduce.ts';
import { matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { type Option, resolveOptions } from '../options.ts';
import { overlapped } from '../overlap.ts';
import { isInFile } from './file-rows.ts';
import { loadedMethod, loadedMethods } from './loaded.ts';
import { type Method, prepared, SCALE, SHARE, STACK, type State, scoresOf } from './method.ts';
import { checkNeeds } from './needs.ts';
import type { Task } from './task.ts';

/** One part of a stack. */
export interface StackPart {
  readonly options: Readonly<Record<string, unknown>>;
  /** Multiplier of its scores: the inverse of its own temperature. */
  readonly sharpness: number;
  /** Its weight. The weights of a stack add up to 1. */
  readonly share: number;
}

const parts: Option<Readonly<Record<string, StackPart>>> = {
  schema: z.record(
    z.string(),
    z.object({
      options: z.record(z.string(), z.unknown()),
      sharpness: z.number().check(z.positive()),
      share: z.number().check(z.positive(), z.lte(1)),
    }),
  ),
  help: 'The stacked methods by id, each with its options, sharpness and share.',
};

/**
 * Several methods as one: scores = sum_k w_k log softmax(T_k z_k), a weighted geometric mean of their calibrated probabilities (a
 * log-linear pool; weights from left-out predictions: Wolpert, Neural Networks 1992). The state holds the states of the parts under their
 * names, so that no other code needs to know that there are several.
 */
export const stack: Method<{ parts: typeof parts }> = {
  id: STACK,
  name: 'Stack',
  paper: 'Wolpert, Neural Networks 1992; Hinton, Neural Computation 2002',
  needs: ['examples'],
  composite: true,
  // The parts have temperatures, and the code that made the stack knows its temperature.
  calibrates: () => ({ judges: 0, folds: 0 }),
  options: { parts },
  fit: async (task, { parts: chosen }) => {
    const states = await overlapped(
      chosenOf(chosen),
      task.support.labels.length * task.classes,
      async ({ method, options, sharpness, share }): Promise<State> => {
        checkNeeds(method, task);
        const start = task.start && own(task.start, method.id);
        const fitted = await method.fit({ ...task, start }, resolveOptions(method.options, options));
        return named({ ...fitted, sharpness, share }, method.id);
      },
    );
    return Object.assign({}, ...states);
  },
  holds: (task, { parts: chosen }) =>
    Object.assign(
      {},
      ...chosenOf(chosen).map(({ method, options }) => {
        const held = method.holds(task, resolveOptions(method.options, options));
        return named({ ...held, sharpness: SCALE, share: SHARE }, method.id);
      }),
    ),
  prepare: function* (state, task) {
    const all: Record<string, Tensor | number> = {};
    for (const method of partsIn(state)) {
      const { sharpness, share, ...fitted } = own(state, method.id);
      const part = yield* prepared(method, fitted, method.votes ? withKeys(task) : task);
      Object.assign(all, named({ ...part, sharpness, share }, method.id));
    }
    return all;
  },
  terms: (f, state, task) =>
    Object.fromEntries(
      partsIn(state).map((method): [string, Expr] => {
        const { sharpness, share, ...fitted } = own(state, method.id);
        const scores = scoresOf(method, f, fitted, task);
        return [method.id, mul(logSoftmax(mul(scores, sharpness!)), share!)];
      }),
    ),
};

/** The parts that were chosen, with their methods, in the order of the ids. The order in which methods are loaded differs. */
function chosenOf(chosen: Readonly<Record<string, StackPart>>) {
  return Object.keys(chosen)
    .sort()
    .map((id) => ({ method: loadedMethod(id), ...chosen[id]! }));
}

/** The methods of a state's parts, in the same order. */
function partsIn(state: Readonly<Record<string, unknown>>): Method[] {
  const found = loadedMethods().filter(({ id }) => `${id}.share` in state);
  const foreign = Object.keys(state).find((name) => !found.some(({ id }) => name.startsWith(`${id}.`)));
  if (foreign === undefined) return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  throw new Error(`the method of ${foreign} is not loaded`);
}

/** The state of a stack of fitted methods, by their ids. */
export function stackState(
  states: Readonly<Record<string, State>>,
  parts: Readonly<Record<string, StackPart>>,
): State {
  const entries = Object.entries(states).map(([id, state]) => {
    const { sharpness, share } = parts[id]!;
    return named({ ...state, sharpness, share }, id);
  });
  return Object.assign({}, ...entries);
}

/** The task with its examples in memory, because the pages of a file serve only a cache that is alone, not one among other parts. */
function withKeys(task: Task): Task {
  const { features } = task.support;
  if (!isInFile(features)) return task;
  return {
    ...task,
    support: { ...task.support, features: matrix(features.rows, features.cols, features.data) },
  };
}

/** The entries of one part, under the names that the part uses. */
function own<T>(state: Readonly<Record<string, T>>, id: string): Record<string, T> {
  const entries = Object.entries(state).filter(([name]) => name.startsWith(`${id}.`));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(id.length + 1), value]));
}

function named<T>(state: Readonly<Record<string, T>>, id: string): Record<string, T> {
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [`${id}.${name}`, value]));
}
