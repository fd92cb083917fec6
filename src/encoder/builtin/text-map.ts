import type { Engine } from '../../engine/types.ts';
import { exp, mul, sub } from '../../graph/elementwise.ts';
import { constant, type Expr, input } from '../../graph/expression.ts';
import { matmul, matmulT } from '../../graph/products.ts';
import { withProducts } from '../../linalg/matrix-products.ts';
import { lowerRows, solvePositive } from '../../linalg/solve.ts';
import { type Matrix, matrix } from '../../math/matrix.ts';
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

/**
 * Fits the map. Throws `InterruptedError` when the signal fires.
 *
 * @param anchors unit rows [c, e]
 * @param vectors the classifier's weight vectors V [c, d]
 */
export async function fitTextMap(
  anchors: Matrix,
  vectors: Matrix,
  engine: Engine,
  signal?: AbortSignal,
): Promise<TextMap> {
  const kernel = await withProducts(engine, ({ productT }) => productT(anchors, anchors), signal);
  for (let at = 0; at < kernel.data.length; at++)
    kernel.data[at] = Math.exp(SHARPNESS * (kernel.data[at]! - 1));
  const rows = lowerRows(kernel, RIDGE);
  return { anchors, coefficients: await solvePositive(rows, centred(vectors), engine, signal) };
}

/** Embeddings in the image space [n, d] of unit sentence embeddings `sentences` [n, e]: k(q) A. */
export function mapTexts({ anchors, coefficients }: TextMap): Expr {
  const sentences = input('sentences', ['n', anchors.cols]);
  const cosines = matmulT(sentences, constant(floatTensor([anchors.rows, anchors.cols], anchors.data)));
  const kernel = exp(mul(SHARPNESS, sub(cosines, 1)));
  return matmul(kernel, constant(floatTensor([coefficients.rows, coefficients.cols], coefficients.data)));
}

function centred(m: Matrix): Matrix {
  const mean = new Float64Array(m.cols);
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.cols; j++) mean[j]! += m.data[i * m.cols + j]! / m.rows;
  return matrix(
    m.rows,
    m.cols,
    m.data.map((value, at) => value - mean[at % m.cols]!),
  );
}
