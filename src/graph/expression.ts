import { UsageError } from '../errors.ts';
import { type StoredTensor, sizeOf, type Tensor } from '../math/tensor.ts';

/**
 * A node of an expression graph, which describes a computation. An `Expr` is immutable and holds its operation, operands, shape
 * and number type. The interpreter runs it (`interpret.ts`, float64), `toOnnx` writes it as ONNX bytes (`onnx.ts`), and
 * `gradients` differentiates it (`gradient.ts`).
 */
export interface Expr<A extends object = object> {
  readonly op: Op<A>;
  readonly operands: readonly Expr[];
  /** Parameters of the operation beside its operands: axes, sizes, flags. */
  readonly attributes: A;
  readonly shape: Shape;
  readonly dtype: ExprType;
}

/** A size, or the name of a size that is known only when the graph is fed. Equal names are equal sizes. */
export type Dim = number | string;
/** The sizes of an expression's axes, outermost first. */
export type Shape = readonly Dim[];
/** The number types of expressions. Only `integerProduct` takes bytes and gives 32-bit integers. */
export type ExprType = 'float32' | 'int64' | 'bool' | 'uint8' | 'int8' | 'int32';

/**
 * An operation: its result's shape and type, its computation, and its ONNX nodes. Its gradient is a rule in `gradient.ts`. The
 * length of the tuple `Operands` is the number of operands.
 */
export interface Op<A extends object = object, Operands extends readonly Expr[] = readonly Expr[]> {
  readonly name: string;
  /** Whether axes of size 1 are repeated to fit the other operands. */
  readonly broadcasts?: boolean;
  /** Shape and type of the result. Throws `UsageError` with the operation and the shapes if the operands do not fit. */
  infer(operands: Operands, attributes: A): { shape: Shape; dtype: ExprType };
  /** The result in float64, for the interpreter. */
  evaluate(operands: Each<Operands, Value>, attributes: A, expr: Applied<A, Operands>): Value;
  /** Writes ONNX nodes and returns the name of the result. */
  onnx(
    operands: Each<Operands, string>,
    attributes: A,
    write: OnnxWriter,
    expr: Applied<A, Operands>,
  ): string;
}

/** An expression with operands of these types. */
export type Applied<A extends object, Operands extends readonly Expr[]> = Expr<A> & {
  readonly operands: Operands;
};

/** A tuple of the same length, with all members of type T. */
export type Each<Operands extends readonly Expr[], T> = { readonly [I in keyof Operands]: T };

/** A tensor in the interpreter. All number types are held as float64. */
export interface Value {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The part of the ONNX writer that operations use. */
export interface OnnxWriter {
  /** Adds a node; returns the name of its first output. Numbers are INT attributes; `{ float }` is FLOAT. */
  node(type: string, inputs: readonly string[], attributes?: Record<string, OnnxAttribute>): string;
  /** Adds an int64 constant and returns its name. */
  integers(values: readonly number[]): string;
  /** Adds a constant tensor and returns its name, which begins with `name` if one is given. */
  tensor(tensor: Tensor, name?: string): string;
  /** Adds a tensor whose numbers stay in a file, and returns its name. */
  stored(place: StoredTensor): string;
}

/** An attribute of an ONNX node: INT, INTS, STRING or FLOAT. */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number };

/** An expression or a number. A number becomes a float32 scalar constant. */
export type Operand = Expr | number;

export function apply<A extends object, Operands extends readonly Expr[]>(
  op: Op<A, Operands>,
  operands: Each<Operands, Operand>,
  attributes: A,
): Expr<A> {
  const exprs = operands.map((operand) => (typeof operand === 'number' ? scalar(operand) : operand));
  return { op, operands: exprs, attributes, ...op.infer(exprs as readonly Expr[] as Operands, attributes) };
}

type InputAttributes = { readonly name: string; readonly shape: Shape; readonly dtype: ExprType };

const inputOp: Op<InputAttributes> = {
  name: 'input',
  infer: (_, { shape, dtype }) => ({ shape, dtype }),
  evaluate: (_, { name }) => {
    throw new UsageError(`The graph was not fed its input "${name}"`, {
      code: 'graph/missing-input',
      details: { name },
    });
  },
  onnx: (_, { name }) => name,
};

/** A tensor that is fed by name when the graph runs. */
export function input(name: string, shape: Shape, dtype: ExprType = 'float32'): Expr {
  return apply(inputOp, [], { name, shape, dtype });
}

/** An input for each tensor, with its name, shape and type. */
export function inputsLike<T extends Readonly<Record<string, Tensor>>>(
  tensors: T,
): { readonly [Name in keyof T]: Expr } {
  const entries = Object.entries(tensors).map(([name, { shape }]) => [name, input(name, shape)]);
  return Object.fromEntries(entries);
}

export function isInput(expr: Expr): expr is Expr<InputAttributes> {
  return (expr.op as unknown) === inputOp;
}

const constantOp: Op<{ readonly tensor: Tensor; readonly name?: string }> = {
  name: 'constant',
  infer: (_, { tensor }) => ({ shape: tensor.shape, dtype: tensor.dtype as ExprType }),
  evaluate: (_, { tensor }) => toValue(tensor),
  onnx: (_, { tensor, name }, write) => write.tensor(tensor, name),
};

/** A constant: a tensor that is stored in the graph, under `name` if one is given. Throws `UsageError` for number types that graphs do not have. */
export function constant(tensor: Tensor, name?: string): Expr {
  if (!['float32', 'int64', 'bool'].includes(tensor.dtype)) {
    throw new UsageError(`A graph constant cannot be ${tensor.dtype}`, { code: 'graph/dtype' });
  }
  return apply(constantOp, [], { tensor, name });
}

export function isConstant(expr: Expr): expr is Expr<{ readonly tensor: Tensor }> {
  return (expr.op as unknown) === constantOp;
}

/** A float32 constant of shape []. */
export function scalar(value: number): Expr {
  return constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
}

export function toValue(tensor: Tensor): Value {
  return { shape: tensor.shape, data: Float64Array.from(tensor.data as ArrayLike<number>, Number) };
}

/** Every node that the outputs depend on, and the outputs, each once, operands before their users. */
export function topological(outputs: readonly Expr[]): Expr[] {
  const seen = new Set<Expr>();
  const order: Expr[] = [];
  // An explicit stack, because recursion into a graph of a hundred layers could overflow the call stack.
  const stack: { expr: Expr; next: number }[] = [];
  for (const output of outputs) {
    if (!seen.has(output)) stack.push({ expr: output, next: 0 });
    seen.add(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const operand = top.expr.operands[top.next++];
      if (operand === undefined) {
        order.push(top.expr);
        stack.pop();
      } else if (!seen.has(operand)) {
        seen.add(operand);
        stack.push({ expr: operand, next: 0 });
      }
    }
  }
  return order;
}

/** The inputs of a graph, each once. Throws `UsageError` if two inputs of the same name differ in shape or type. */
export function inputsOf(outputs: readonly Expr[]): Expr<InputAttributes>[] {
  const inputs = new Map<string, Expr<InputAttributes>>();
  for (const expr of topological(outputs).filter(isInput)) {
    const known = inputs.get(expr.attributes.name);
    if (known && (showShape(known.shape) !== showShape(expr.shape) || known.dtype !== expr.dtype)) {
      throw shapeError('input', `"${expr.attributes.name}" is used with two shapes`, known, expr);
    }
    inputs.set(expr.attributes.name, expr);
  }
  return [...inputs.values()];
}

export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The error of operands that do not fit. */
export function shapeError(op: string, message: string, ...operands: readonly Expr[]): UsageError {
  const shapes = operands.map((operand) => showShape(operand.shape)).join(' and ');
  return new UsageError(`${op}: ${message} (shapes ${shapes})`, {
    code: 'graph/shape',
    details: { op, shapes: operands.map((operand) => operand.shape) },
  });
}

/** Whether every size is known before the graph is fed. */
export function isKnown(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => typeof dim === 'number');
}

/** The size of an axis. Throws `UsageError` with the operation's name if the size is known only when the graph is fed. */
export function knownSize(op: string, x: Expr, axis: number): number {
  const size = x.shape[axis];
  if (typeof size === 'number') return size;
  throw shapeError(op, `axis ${axis} has no known size`, x);
}

/** Strides of a dense row-major tensor. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

export function zeros(shape: readonly number[]): Value {
  return { shape, data: new Float64Array(sizeOf(shape)) };
}
