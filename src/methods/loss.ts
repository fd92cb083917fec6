import { equal, sub, where } from '../graph/elementwise.ts';
import { constant, type Expr, knownSize } from '../graph/expression.ts';
import { logSumExp, max, mean, sum } from '../graph/reduce.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';

/** The numbers of so many classes, [1, c], one tensor for all graphs: what is made of it twice is computed once. */
const numbered = new Map<number, Tensor>();

function classNumbers(classes: number): Tensor {
  const known = numbered.get(classes);
  if (known) return known;
  const numbers = floatTensor(
    [1, classes],
    Float32Array.from({ length: classes }, (_, c) => c),
  );
  numbered.set(classes, numbers);
  return numbers;
}

/** Score of each row's own class, [m, 1]: scores [m, c], labels [m, 1], which are numbers of classes. */
function ownScore(scores: Expr, labels: Expr): Expr {
  const own = equal(labels, constant(classNumbers(knownSize('crossEntropy', scores, 1))));
  return sum(where(own, scores, 0), [1], true);
}

/** Mean cross-entropy of scores [m, c] and labels [m, 1]. */
export function crossEntropy(scores: Expr, labels: Expr): Expr {
  return mean(sub(logSumExp(scores), ownScore(scores, labels)), [0, 1]);
}

/** Rows whose own class has the largest score: a scalar. */
export function countCorrect(scores: Expr, labels: Expr): Expr {
  return sum(where(equal(sub(ownScore(scores, labels), max(scores, [1], true)), 0), 1, 0), [0, 1]);
}
