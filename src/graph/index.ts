export {
  add,
  cos,
  div,
  equal,
  erf,
  exp,
  less,
  log,
  maximum,
  mul,
  neg,
  relu,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './elementwise.ts';
export {
  type Applied,
  constant,
  type Dim,
  type Each,
  type Expr,
  type ExprType,
  input,
  type OnnxAttribute,
  type OnnxWriter,
  type Op,
  type Operand,
  type Shape,
  scalar,
  type Value,
} from './expression.ts';
export { gradients } from './gradient.ts';
export { interpret } from './interpret.ts';
export { concat, expandTo, fill, pad, reshape, slice, transpose } from './layout.ts';
export { toOnnx } from './onnx.ts';
export { type GemmOptions, gemm, linear, matmul, matmulT, swapLast, unit } from './products.ts';
export { logSoftmax, logSumExp, max, mean, softmax, stop, sum } from './reduce.ts';
export { attention, causalMask, gather, layerNorm } from './sequence.ts';
export { simplify } from './simplify.ts';
export { averagePool, conv2d, globalAveragePool, maxPool, type PoolOptions, type Window } from './vision.ts';
