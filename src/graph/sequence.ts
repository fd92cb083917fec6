import { ofRank } from '../math/tensor.ts';
import { add, mul } from './elementwise.ts';
import { apply, constant, type Expr, knownSize, type Op, shapeError, zeros } from './expression.ts';
import { reshape, transpose } from './layout.ts';
import { matmul, swapLast } from './products.ts';
import { softmax } from './reduce.ts';

/** Operations on sequences of tokens. */

const gatherOp: Op<object, [Expr, Expr]> = {
  name: 'gather',
  infer: ([table, ids]) => {
    if (table.shape.length !== 2 || ids.dtype !== 'int64') {
      throw shapeError('gather', 'takes a table and whole numbers', table, ids);
    }
    return { shape: [...ids.shape, table.shape[1]!], dtype: table.dtype };
  },
  evaluate: ([table, ids]) => {
    const width = table.shape[1]!;
    const out = zeros([...ids.shape, width]);
    ids.data.forEach((id, i) => {
      out.data.set(table.data.subarray(id * width, (id + 1) * width), i * width);
    });
    return out;
  },
  onnx: (operands, _, write) => write.node('Gather', operands, { axis: 0 }),
};

/** Rows of a table [v, w] at the given indices (int64, [...]): [..., w]. It has no gradient. */
export function gather(table: Expr, ids: Expr): Expr {
  return apply(gatherOp, [table, ids], {});
}

export type Epsilon = { readonly epsilon: number };

const layerNormOp: Op<Epsilon, [Expr, Expr, Expr]> = {
  name: 'layerNorm',
  infer: ([x, gain, bias]) => {
    const width = x.shape[x.shape.length - 1];
    for (const operand of [gain, bias]) {
      if (operand.shape.length !== 1 || operand.shape[0] !== width) {
        throw shapeError('layerNorm', `needs vectors of ${width}`, x, operand);
      }
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  evaluate: ([x, gain, bias], { epsilon }) => {
    const width = gain.data.length;
    const out = zeros(x.shape);
    for (let start = 0; start < x.data.length; start += width) {
      const own = x.data.subarray(start, start + width);
      const middle = own.reduce((total, v) => total + v, 0) / width;
      const spread = own.reduce((total, v) => total + (v - middle) ** 2, 0) / width;
      for (let j = 0; j < width; j++) {
        out.data[start + j] =
          ((own[j]! - middle) / Math.sqrt(spread + epsilon)) * gain.data[j]! + bias.data[j]!;
      }
    }
    return out;
  },
  onnx: (operands, { epsilon }, write) =>
    write.node('LayerNormalization', operands, { axis: -1, epsilon: { float: epsilon } }),
};

/** Layer normalisation (Ba et al. 2016) of x [..., w]: the last axis gets mean 0 and variance 1, is multiplied by `gain` [w], and `bias` [w] is added. */
export function layerNorm(x: Expr, gain: Expr, bias: Expr, epsilon = 1e-5): Expr {
  return apply(layerNormOp, [x, gain, bias], { epsilon });
}

/**
 * Multi-head attention softmax(q k^T / sqrt(d) + mask) v, [n, t, w], with d = w / heads (Vaswani et al. 2017, section 3.2), for
 * q [n, t, w], k and v [n, s, w], and mask [t, s].
 */
export function attention(q: Expr, k: Expr, v: Expr, heads: number, mask?: Expr): Expr {
  const [n, t, w] = ofRank(q.shape, 3);
  const d = knownSize('attention', q, 2) / heads;
  const split = (x: Expr) => transpose(reshape(x, [...x.shape.slice(0, 2), heads, d]), [0, 2, 1, 3]);
  const products = matmul(mul(split(q), 1 / Math.sqrt(d)), swapLast(split(k))); // [n, heads, t, s]
  const weights = softmax(mask ? add(products, mask) : products);
  return reshape(transpose(matmul(weights, split(v)), [0, 2, 1, 3]), [n, t, w]);
}

/** A mask [t, t] for `attention`, with which no token attends to a later one. */
export function causalMask(length: number): Expr {
  const data = new Float32Array(length * length);
  for (let i = 0; i < length; i++) data.fill(-1e9, i * length + i + 1, (i + 1) * length);
  return constant({ dtype: 'float32', shape: [length, length], data });
}
