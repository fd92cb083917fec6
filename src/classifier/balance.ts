import type { Finding } from '../dataset/types.ts';
import type { Engine } from '../engine/types.ts';
import { logSumExp, type Matrix, matrix, row, softmaxRows } from '../math/matrix.ts';
import { classBalance, logPriors } from '../methods/class-balance.ts';
import { leftOutClasses } from '../methods/folds.ts';
import { methodById } from '../methods/index.ts';
import { STACK, type State } from '../methods/method.ts';
import { type StackPart, stackState } from '../methods/stack.ts';
import type { Task } from '../methods/task.ts';
import { negativeLogLikelihood } from '../metrics/calibration.ts';
import { resolveOptions } from '../options.ts';
import { outOfFold } from '../tuning/out-of-fold.ts';
import { type Choice, tuningSetOfFolds } from '../tuning/search-method.ts';
import { shareCorrect } from '../tuning/share-correct.ts';
import { count, someClasses } from '../words.ts';
import type { ClassifierData } from './types.ts';

/** A chosen method with its fitted state. */
interface Fitted {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly choice: Choice;
  readonly state: State;
}

/** Weights of the class balance that are compared. With 1, all classes count as equally frequent. */
const WEIGHTS = Array.from({ length: 31 }, (_, i) => i / 20);

/**
 * The fitted method with logit adjustment (`class-balance`), at the weight of the smallest negative log-likelihood of left-out examples in
 * which every class counts alike: as a stack of the method and the class balance. Returns the method unchanged if something is in the way
 * (`obstacle`), or if the best weight is 0.
 */
export async function balanced(engine: Engine, task: Task, fitted: Fitted): Promise<Fitted> {
  const tuningSet = obstacle(task) === undefined ? tuningSetOfFolds(task) : undefined;
  if (!tuningSet) return fitted;
  const priors = logPriors(task.support.labels, task.classes);
  const method = methodById(fitted.method);
  const options = resolveOptions(method.options, fitted.options);
  const { temperature } = fitted.choice;
  const { labels } = tuningSet.rows;
  const [terms] = await outOfFold(engine, method, task, tuningSet.rows, [options]);
  const scores = matrix(labels.length, task.classes);
  for (const term of Object.values(terms!))
    for (let i = 0; i < scores.data.length; i++) scores.data[i]! += term.data[i]! / temperature;
  const losses = WEIGHTS.map((weight) => balancedNll(scores, labels, priors, weight));
  const weight = WEIGHTS[losses.indexOf(Math.min(...losses))]!;
  if (weight === 0) return fitted;
  const adjusted = {
    ...scores,
    data: scores.data.map((x, i) => x - weight * priors[i % scores.cols]!),
  };
  const own = {
    method: STACK,
    nll: negativeLogLikelihood(softmaxRows(adjusted), labels),
    accuracy: shareCorrect(adjusted, labels),
  };
  const { choice } = fitted;
  const compared = choice.compared && [own, ...choice.compared.filter(({ method: id }) => id !== STACK)];
  const told = { ...fitted, choice: { ...choice, nll: own.nll, ...(compared && { compared }) } };
  return withBalance(told, weight, await classBalance.fit(task, {}));
}

/** The reason why no weight of the class balance can be chosen, as a clause. Undefined if one can be. */
function obstacle({ support, classes }: Pick<Task, 'support' | 'classes'>): string | undefined {
  if (new Set(logPriors(support.labels, classes)).size === 1) return 'they have equally many examples';
  const judged = leftOutClasses(support).size;
  if (judged === 0) return 'no example can be left out';
  return judged === 1
    ? `only examples of 1 of ${count(classes, 'class', 'classes')} can be left out, and these cannot show how rare classes should be raised`
    : undefined;
}

/** The finding about the class balance of a classifier that was fitted with the option `balance`. */
export function balanceFinding({
  options,
  tuning,
  support,
  classes: { length: classes },
}: Pick<ClassifierData, 'options' | 'tuning' | 'support' | 'classes'>): Finding {
  const parts = (options.parts ?? {}) as Readonly<Record<string, StackPart>>;
  const own = parts[classBalance.id];
  const some = someClasses(leftOutClasses(support).size, classes);
  const message = own
    ? `Rare classes are raised by the logarithm of their rarity times ${(own.share / tuning.temperature).toFixed(2)}, chosen by left-out examples${some}.`
    : `The classes are not balanced, because ${obstacle({ support, classes }) ?? `left-out examples${some} are best without it`}.`;
  return { level: 'info', code: 'fit/balance', message };
}

/** Mean over classes of the mean negative log-likelihood of each class's rows, of the scores [q, c] minus the weighted priors, in nats. */
function balancedNll(scores: Matrix, labels: Int32Array, priors: Float32Array, weight: number): number {
  const sums = new Map<number, { nll: number; rows: number }>();
  const z = new Float32Array(scores.cols);
  labels.forEach((label, i) => {
    row(scores, i).forEach((x, c) => {
      z[c] = x - weight * priors[c]!;
    });
    const own = sums.get(label) ?? { nll: 0, rows: 0 };
    sums.set(label, { nll: own.nll + logSumExp(z) - z[label]!, rows: own.rows + 1 });
  });
  return [...sums.values()].reduce((total, { nll, rows }) => total + nll / rows, 0) / sums.size;
}

/** The stack whose scores over its temperature are those of the fitted method plus the weighted class balance. */
function withBalance({ method, options, choice, state }: Fitted, weight: number, own: State): Fitted {
  const { temperature } = choice;
  const isStack = method === STACK;
  const parts = isStack
    ? (options.parts as Readonly<Record<string, StackPart>>)
    : { [method]: { options, sharpness: 1 / temperature, share: 1 } };
  // The scores of a single method are divided by its temperature in the stack.
  const added = isStack ? weight * temperature : weight;
  const total = 1 + added;
  const shares = Object.entries(parts).map(([id, part]): [string, StackPart] => [
    id,
    { ...part, share: part.share / total },
  ]);
  const all: Record<string, StackPart> = {
    ...Object.fromEntries(shares),
    [classBalance.id]: { options: {}, sharpness: 1, share: added / total },
  };
  const states = isStack ? state : stackState({ [method]: state }, all);
  return {
    method: STACK,
    options: { parts: all },
    state: { ...states, ...stackState({ [classBalance.id]: own }, all), ...sharesOf(all) },
    choice: { ...choice, temperature: (isStack ? temperature : 1) / total, tuned: undefined, surface: [] },
  };
}

/** The shares of the parts under their names in the state. */
function sharesOf(parts: Readonly<Record<string, StackPart>>): State {
  return Object.fromEntries(Object.entries(parts).map(([id, { share }]) => [`${id}.share`, share]));
}
