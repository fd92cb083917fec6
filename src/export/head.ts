import { taskOf } from '../classifier/classifier-task.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { UsageError } from '../errors.ts';
import { div } from '../graph/elementwise.ts';
import { constant, type Expr, input } from '../graph/expression.ts';
import { softmax } from '../graph/reduce.ts';
import { matrix } from '../math/matrix.ts';
import { methodById } from '../methods/index.ts';
import { type Method, scoresOf } from '../methods/method.ts';
import { bindMethod } from '../methods/score.ts';
import type { Task } from '../methods/task.ts';

/**
 * The part of a classifier after its encoder, as a graph: `features` [n, d] of the encoder → `scores` and `probabilities` [n, c].
 * Probabilities are calibrated if the classifier's are. Keys, text head and all other learnt tensors are constants of the graph.
 */
export function headGraph(data: ClassifierData): { probabilities: Expr; scores: Expr } {
  const method = exportableMethod(data);
  const { state, task, feeds } = bindMethod(method, data.state, inMemory(taskOf(data)));
  const fixed = (name: string) => constant(feeds[name]!, name);
  const features = input('features', ['n', data.encoder.dimension]);
  const scores = scoresOf(
    method,
    features,
    Object.fromEntries(Object.keys(state).map((name) => [name, fixed(`state.${name}`)])),
    task.head
      ? { ...task, head: { weights: fixed('head.weights'), logitScale: fixed('head.logitScale') } }
      : task,
  );
  return { probabilities: softmax(div(scores, data.tuning.temperature)), scores };
}

/** The method of a classifier. Throws `UsageError` if its answers need the text tower, which no export can run for every picture. */
export function exportableMethod(data: ClassifierData): Method {
  const method = methodById(data.method);
  if (!method.readsTexts) return method;
  throw new UsageError(`${method.name} encodes texts for every picture and cannot be exported`, {
    code: 'export/method',
    hint: 'Fit the classifier again with another method, such as kgcoop.',
    details: { method: method.id },
  });
}

/** Reads examples that stay in a file into memory, because an exported model has them inside. */
function inMemory(task: Task): Task {
  const { rows, cols, data } = task.support.features;
  return { ...task, support: { ...task.support, features: matrix(rows, cols, data) } };
}
