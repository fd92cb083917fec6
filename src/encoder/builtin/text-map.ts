import { exp, mul, sub } from '../../graph/elementwise.ts';
import { constant, type Expr, input } from '../../graph/expression.ts';
import { matmul, matmulT } from '../../graph/products.ts';
import { cholesky, choleskySolve } from '../../linalg/cholesky.ts';
import { dot, type Matrix, matrix, row } from '../../math/matrix.ts';
import { floatTensor } from '../../math/tensor.ts';

/**
 * The map from texts to the image space. The classification layer's weight vector of a class lies near the features of the class's
 * pictures, so kernel ridge regression from the class names' sentence embeddings to these vectors predicts the vector of a new name.
 */
export interface TextMap {
  /** Unit sentence embeddings of the class names, [c, e]. */
  readonly anchors: Matrix;
  /** A = (K + ridge I)^-1 (V - mean V), [c, d]. */
  readonly coefficients: Matrix;
}

export const TEXT_MAP_FILE = 'text_map.onnx';

/** k(a, b) = exp(SHARPNESS (a.b - 1)) */
export const SHARPNESS = 10;
export const RIDGE = 0.1;

/** @param anchors unit rows [c, e] @param vectors the classifier's weight vectors V [c, d] */
export function fitTextMap(anchors: Matrix, vectors: Matrix): TextMap {
  const n = anchors.rows;
  const kernel = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      kernel[i * n + j] = Math.exp(SHARPNESS * (dot(row(anchors, i), row(anchors, j)) - 1));
    }
    kernel[i * n + i]! += RIDGE;
  }
  const solved = choleskySolve(cholesky(kernel, n), n, centred(vectors), vectors.cols);
  return { anchors, coefficients: matrix(n, vectors.cols, Float32Array.from(solved)) };
}

/** Embeddings in the image space [n, d] of unit sentence embeddings `sentences` [n, e]: k(q) A. */
export function mapTexts({ anchors, coefficients }: TextMap): Expr {
  const sentences = input('sentences', ['n', anchors.cols]);
  const cosines = matmulT(sentences, constant(floatTensor([anchors.rows, anchors.cols], anchors.data)));
  const kernel = exp(mul(SHARPNESS, sub(cosines, 1)));
  return matmul(kernel, constant(floatTensor([coefficients.rows, coefficients.cols], coefficients.data)));
}

function centred(m: Matrix): Float64Array {
  const mean = new Float64Array(m.cols);
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.cols; j++) mean[j]! += m.data[i * m.cols + j]! / m.rows;
  return Float64Array.from(m.data, (value, at) => value - mean[at % m.cols]!);
}
