import { interpreterEngine } from '../engine/interpreter-engine.ts';
import type { Engine, Session } from '../engine/types.ts';
import { sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { gemm, matmul } from '../graph/products.ts';
import { type Matrix, matrixOf } from '../math/matrix.ts';
import { floatTensor } from '../math/tensor.ts';

const a = input('a', ['m', 'k']);
const aTransposed = input('a', ['k', 'm']);
const b = input('b', ['k', 'n']);
const c = input('c', ['m', 'n']);

/** The matrix products that the solvers use. Their sizes are open, so that each graph is compiled once. */
const GRAPHS = {
  /** a b */
  product: matmul(a, b),
  /** a b^T */
  productT: gemm(a, input('b', ['n', 'k']), { transposeB: true }),
  /** a^T b */
  transposedProduct: gemm(aTransposed, b, { transposeA: true }),
  /** c - a b */
  subtract: sub(c, matmul(a, b)),
  /** c - a b^T */
  subtractT: sub(c, gemm(a, input('b', ['n', 'k']), { transposeB: true })),
  /** c - a^T b */
  subtractTransposed: sub(c, gemm(aTransposed, b, { transposeA: true })),
} satisfies Record<string, Expr>;

/** Matrix products on an engine, float32. */
export type Products = Readonly<
  Record<keyof typeof GRAPHS, (a: Matrix, b: Matrix, c?: Matrix) => Promise<Matrix>>
>;

/** Calls `f` with matrix products on the engine and frees them afterwards. Without an engine, the interpreter computes, which suits small problems. */
export async function withProducts<T>(
  engine: Engine | undefined,
  use: (products: Products) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const executor = engine ?? interpreterEngine();
  const sessions = new Map<string, Promise<Session<'out'>>>();
  const run = async (name: keyof typeof GRAPHS, operands: Record<string, Matrix>): Promise<Matrix> => {
    const compiled = sessions.get(name) ?? executor.compile({ out: GRAPHS[name] }, { signal });
    sessions.set(name, compiled);
    const feeds = Object.fromEntries(
      Object.entries(operands).map(([key, { rows, cols, data }]) => [key, floatTensor([rows, cols], data)]),
    );
    const { out } = await (await compiled).run(feeds, { signal });
    return matrixOf(out);
  };
  try {
    const entries = Object.keys(GRAPHS).map((name) => [
      name,
      (x: Matrix, y: Matrix, z?: Matrix) =>
        run(name as keyof typeof GRAPHS, z ? { a: x, b: y, c: z } : { a: x, b: y }),
    ]);
    return await use(Object.fromEntries(entries) as Products);
  } finally {
    for (const compiled of sessions.values()) await (await compiled).close();
  }
}
