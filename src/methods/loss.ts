import { equal, mul, sub, where } from '../graph/elementwise.ts';
import { constant, type Expr } from '../graph/expression.ts';
import { logSoftmax, max, mean, sum } from '../graph/reduce.ts';
import { floatTensor } from '../math/tensor.ts';

/** 1 where a row has a class, else 0: [m, c] of labels [m, 1], which are numbers of classes. */
function oneHot(labels: Expr, classes: number): Expr {
  const ids = Float32Array.from({ length: classes }, (_, c) => c);
  return where(equal(labels, constant(floatTensor([1, classes], ids))), 1, 0);
}

/** Mean cross-entropy of scores [m, c] and labels [m, 1]. */
export function crossEntropy(scores: Expr, labels: Expr): Expr {
  const classes = scores.shape[1] as number;
  const ofRows = sum(mul(logSoftmax(scores), oneHot(labels, classes)), [1]); // [m]
  return mul(mean(ofRows, [0]), -1);
}

/** Rows whose own class has the largest score: a scalar. */
export function countCorrect(scores: Expr, labels: Expr): Expr {
  const classes = scores.shape[1] as number;
  const own = sum(mul(scores, oneHot(labels, classes)), [1]);
  return sum(where(equal(sub(own, max(scores, [1])), 0), 1, 0), [0]);
}
