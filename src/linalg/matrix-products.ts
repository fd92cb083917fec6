import { interpreterEngine } from '../engine/interpreter-engine.ts';
import type { Engine, Session } from '../engine/types.ts';
import { sub } from '../graph/elementwise.ts';
import { type Expr, input } from '../graph/expression.ts';
import { gemm, matmul } from '../graph/products.ts';
import { type Matrix, matrixOf } from '../math/matrix.ts';
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
   * The products a_i a_j^T of matrices with equally many columns, for all j >= i, by i and then by j. The matrices are not changed until it
   * resolves.
   */
  gram(matrices: readonly Matrix[]): Promise<Matrix[]>;
  /** The outputs of a graph whose sizes are open. It is compiled once for its name. */
  run<Name extends string>(
    name: string,
    outputs: () => Record<Name, Expr>,
    operands: Readonly<Record<string, Tensor>>,
  ): Promise<Record<Name, Tensor>>;
};

/** The graph of `gram` for so many matrices. */
function gramGraph(count: number): Record<string, Expr> {
  const all = Array.from({ length: count }, (_, i) => input(`a${i}`, [`n${i}`, 'k']));
  const pairs = all.flatMap((x, i) =>
    all.slice(i).map((y, j) => [`${i} ${i + j}`, gemm(x, y, { transposeB: true })] as const),
  );
  return Object.fromEntries(pairs);
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
  const gram: Products['gram'] = async (matrices) => {
    const outputs = gramGraph(matrices.length);
    const operands = Object.fromEntries(matrices.map((own, i) => [`a${i}`, own]));
    const products = await run(`gram ${matrices.length}`, () => outputs, tensorsOf(operands));
    return Object.keys(outputs).map((name) => matrixOf(products[name]!));
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
