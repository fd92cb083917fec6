import type { StoredTensor } from '../math/tensor.ts';
import { apply, type Expr, type Op } from './expression.ts';

/** TensorProto.DataType of float32. */
const FLOAT = 1;

const storedOp: Op<StoredTensor, []> = {
  name: 'stored',
  infer: (_, { shape }) => ({ shape, dtype: 'float32' }),
  evaluate: (_, { file }) => {
    throw new Error(`A tensor in the file ${file} cannot be interpreted`);
  },
  onnx: (_, place, write) => {
    const name = write.stored(place);
    return place.dtype === 'float32' ? name : write.node('Cast', [name], { to: FLOAT });
  },
};

/**
 * A tensor in a file as an expression, in single precision. ONNX Runtime reads it from the file when it loads the model, so that large
 * weights are not copied into the model before. Only an engine with `readsWeights` runs such a graph.
 */
export function stored(place: StoredTensor): Expr {
  return apply(storedOp, [], place);
}
