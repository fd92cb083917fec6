import { equal, sub, where } from '../graph/elementwise.ts';
import { constant, type Expr, knownSize } from '../graph/expression.ts';
import { logSumExp, max, mean, sum } from '../graph/reduce.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';

/** The numbers 0 to c - 1 as a tensor [1, c]. All graphs share one tensor for each c, so that equal expressions of it are computed once. */
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

/** Score of the true class of each row, [m, 1], for scores [m, c] and labels [m, 1]. */
function ownScore(scores: Expr, labels: Expr): Expr {
  const own = equal(labels, constant(classNumbers(knownSize('crossEntropy', scores, 1))));
  return sum(where(own, scores, 0), [1], true);
}

/** Mean cross-entropy of scores [m, c] and labels [m, 1]. */
export function crossEntropy(scores: Expr, labels: Expr): Expr {
  return mean(sub(logSumExp(scores), ownScore(scores, labels)), [0, 1]);
}

/** The number of rows whose true class has the largest score, a scalar. */
export function countCorrect(scores: Expr, labels: Expr): Expr {
  return sum(where(equal(sub(ownScore(scores, labels), max(scores, [1], true)), 0), 1, 0), [0, 1]);
}
