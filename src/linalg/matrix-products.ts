import { interpreterEngine } from '../engine/interpreter-engine.ts';
import type { Engine, Session } from '../engine/types.ts';
import { sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { gemm, matmul } from '../graph/products.ts';
import { type Matrix, matrix, matrixOf } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';

const a = input('a', ['m', 'k']);
const aTransposed = input('a', ['k', 'm']);
const b = input('b', ['k', 'n']);
const c = input('c', ['m', 'n']);
const basis = input('b', ['n', 'k']);
const through = matmul(gemm(a, basis, { transposeB: true }), basis);

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
  /** a b^T b, and what is left of a without it. The runs of two products would send b and the result between them again. */
  through,
  without: sub(a, through),
} satisfies Record<string, Expr>;

/** Matrix products on an engine, float32. */
export type Products = Readonly<
  Record<keyof typeof GRAPHS, (a: Matrix, b: Matrix, c?: Matrix) => Promise<Matrix>>
> & {
  /**
   * The upper triangle of a a^T, in panels of `width` columns: each is the product of the rows of a up to the panel's last column with those of
   * its columns. Products of many rows are the fastest. The matrix is not changed until it resolves.
   */
  gram(a: Matrix, width: number): Promise<Matrix[]>;
  /** The outputs of a graph whose sizes are open. It is compiled once for its name. */
  run<Name extends string>(
    name: string,
    outputs: () => Record<Name, Expr>,
    operands: Readonly<Record<string, Tensor>>,
  ): Promise<Record<Name, Tensor>>;
};

/** The operands and the outputs of `gram`. All operands are views on the matrix, so that none is copied. */
function gramOf({ rows, cols, data }: Matrix, width: number) {
  const operands: Record<string, Matrix> = {};
  const outputs: Record<string, Expr> = {};
  for (let from = 0, j = 0; from < rows; from += width, j++) {
    const to = Math.min(rows, from + width);
    operands[`a${j}`] = matrix(to, cols, data.subarray(0, to * cols));
    operands[`b${j}`] = matrix(to - from, cols, data.subarray(from * cols, to * cols));
    const above = input(`a${j}`, [`m${j}`, 'k']);
    outputs[j] = gemm(above, input(`b${j}`, [`n${j}`, 'k']), { transposeB: true });
  }
  return { operands, outputs };
}

function tensorsOf(matrices: Readonly<Record<string, Matrix>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(matrices).map(([key, { rows, cols, data }]) => [key, floatTensor([rows, cols], data)]),
  );
}

/** Calls `f` with matrix products on the engine and frees them afterwards. Without an engine, the interpreter computes, which suits small problems. */
export async function withProducts<T>(
  engine: Engine | undefined,
  use: (products: Products) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const executor = engine ?? interpreterEngine();
  const sessions = new Map<string, Promise<Session<string>>>();
  const sessionOf = (name: string, outputs: () => Record<string, Expr>): Promise<Session<string>> => {
    const compiled = sessions.get(name) ?? executor.compile(outputs(), { signal });
    sessions.set(name, compiled);
    return compiled;
  };
  const run: Products['run'] = async (name, outputs, operands) => {
    const session = await sessionOf(name, outputs);
    return session.run(operands, { signal });
  };
  const product = async (name: keyof typeof GRAPHS, operands: Record<string, Matrix>): Promise<Matrix> => {
    const { out } = await run(name, () => ({ out: GRAPHS[name] }), tensorsOf(operands));
    return matrixOf(out);
  };
  const gram: Products['gram'] = async (a, width) => {
    const { operands, outputs } = gramOf(a, width);
    const names = Object.keys(outputs);
    const products = await run(`gram ${names.length}`, () => outputs, tensorsOf(operands));
    return names.map((name) => matrixOf(products[name]!));
  };
  try {
    const entries = Object.keys(GRAPHS).map((name) => [
      name,
      (x: Matrix, y: Matrix, z?: Matrix) =>
        product(name as keyof typeof GRAPHS, z ? { a: x, b: y, c: z } : { a: x, b: y }),
    ]);
    return await use({ ...Object.fromEntries(entries), gram, run } as Products);
  } finally {
    for (const compiled of sessions.values()) await (await compiled).close();
  }
}
