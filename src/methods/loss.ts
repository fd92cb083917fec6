import { equal, mul, sub, where } from '../graph/elementwise.ts';
import { constant, type Expr } from '../graph/expression.ts';
import { logSumExp, max, mean, sum } from '../graph/reduce.ts';
import { floatTensor } from '../math/tensor.ts';

/** 1 where a row has a class, else 0: [m, c] of labels [m, 1], which are numbers of classes. */
function oneHot(labels: Expr, classes: number): Expr {
  const ids = Float32Array.from({ length: classes }, (_, c) => c);
  return where(equal(labels, constant(floatTensor([1, classes], ids))), 1, 0);
}

/** Score of each row's own class, [m, 1]. */
function ownScore(scores: Expr, labels: Expr): Expr {
  return sum(mul(scores, oneHot(labels, scores.shape[1] as number)), [1], true);
}

/** Mean cross-entropy of scores [m, c] and labels [m, 1]. */
export function crossEntropy(scores: Expr, labels: Expr): Expr {
  return mean(sub(logSumExp(scores), ownScore(scores, labels)), [0, 1]);
}

/** Rows whose own class has the largest score: a scalar. */
export function countCorrect(scores: Expr, labels: Expr): Expr {
  return sum(where(equal(sub(ownScore(scores, labels), max(scores, [1], true)), 0), 1, 0), [0, 1]);
}
