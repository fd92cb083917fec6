import { input } from '../../graph/expression.ts';
import { toOnnx } from '../../graph/onnx.ts';
import { integerProduct } from '../../graph/products.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { Run } from '../training/types.ts';

/** Products of keys and queries of bytes. */
export interface ByteProducts {
  /** Writes (keys - 128) queries, [rows, n], into `products`, for keys [rows, d] and queries [d, n]. */
  run(keys: Uint8Array, queries: Int8Array, products: Int32Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Products by ONNX Runtime, whose kernels use instructions for bytes that WebAssembly does not have. Undefined on processors without these
 * instructions: there, ONNX Runtime adds pairs of products in 16 bits, which do not hold all sums.
 */
export async function byteProducts(
  d: number,
  prepare: (model: Uint8Array) => Promise<Run>,
): Promise<ByteProducts | undefined> {
  const product = integerProduct(input('keys', ['rows', d], 'uint8'), input('queries', [d, 'n'], 'int8'));
  const session = await prepare(toOnnx({ products: product }));
  const run: ByteProducts['run'] = async (keys, queries, products) => {
    const [rows, n] = [keys.length / d, queries.length / d];
    const into: Tensor = { dtype: 'int32', shape: [rows, n], data: products };
    await session.run(
      {
        keys: { dtype: 'uint8', shape: [rows, d], data: keys },
        queries: { dtype: 'int8', shape: [d, n], data: queries },
      },
      { products: into },
    );
  };
  if (await isExact(d, run)) return { run, close: async () => session.close() };
  await session.close();
  return undefined;
}

/** Size of the products that are tried. */
const TRIED = 16;

/** Whether sums of the largest products are right. */
async function isExact(d: number, run: ByteProducts['run']): Promise<boolean> {
  const products = new Int32Array(TRIED * TRIED);
  for (const [key, query] of [
    [255, 127],
    [255, -128],
    [0, -128],
  ] as const) {
    await run(new Uint8Array(TRIED * d).fill(key), new Int8Array(d * TRIED).fill(query), products);
    if (products.some((x) => x !== d * (key - 128) * query)) return false;
  }
  return true;
}
