export { fromHalf, roundToHalf, toHalf } from './half.ts';
export {
  argmax,
  concatRows,
  fromRows,
  logSumExp,
  type Matrix,
  matrix,
  productT,
  row,
  selectRows,
  softmax,
  topK,
  unitRows,
} from './matrix.ts';
export { type Random, random } from './random.ts';
export { type DType, floatTensor, type StoredTensor, type Tensor, type TensorData } from './tensor.ts';
