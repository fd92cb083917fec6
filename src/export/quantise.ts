import type { OnnxWriter } from '../graph/expression.ts';
import { fieldsOf, integersOf, textOf, type WireField } from '../graph/wire.ts';
import { floatTensor, sizeOf, type Tensor, transposed } from '../math/tensor.ts';
import { fragment } from './fragment.ts';
import { AXES_AS_INPUT } from './join.ts';
import { namesReadBy, type OnnxGraph, type OnnxModel, type OnnxNode } from './onnx-model.ts';

/**
 * Units of a weight in a product. Signed weights times unsigned inputs is the product for which processors with VNNI have instructions.
 * Others add pairs of products in 16 bits, with saturation. 2 x 64 x 255 fits, so that every processor gives the same sums.
 */
const PRODUCT_UNITS = 64;
/** Units of a weight that is multiplied in single precision. */
const STORED_UNITS = 127;
/** Units of an input, and the unsigned number that stands for zero. */
const INPUT_UNITS = 127;
const INPUT_ZERO = 128;
/** Weights with fewer numbers stay in single precision. */
const LEAST_NUMBERS = 1024;
/** Least unit of an input, so that a row of zeros is not divided by zero. */
const LEAST_STEP = 1e-30;

const FLOAT = 1;
const UINT8 = 2;
/** From this version of the file format on, weights need not be inputs. */
const WEIGHTS_ALONE = 4;

/**
 * The model with its large single-precision weights in 8 bits, each output channel with its own unit. Products of matrices are computed in
 * integers: every row of the input is rounded to 8 bits with its own unit (dynamic quantisation as in LLM.int8, Dettmers et al., NeurIPS
 * 2022, arXiv 2208.07339), so that a picture's features do not depend on the other pictures of its batch. Weights of convolutions and tables
 * are only stored in 8 bits and widened again, because convolutions in integers with dynamic units are slower. `weights` is the number of
 * weights that were rounded.
 */
export function quantised(model: OnnxModel): { model: OnnxModel; weights: number } {
  const { graph, opsets } = model;
  const weights = new Map(graph.initializers.map(({ name, bytes }) => [name, bytes]));
  const opset = opsets.get('') ?? 0;
  const inputs = new Map<string, RoundedInput>();
  const nodes: OnnxNode[] = [];
  const initializers: OnnxGraph['initializers'][number][] = [];
  const rounded = new Set<string>();
  const take = ({ nodes: made, initializers: own }: OnnxGraph) => {
    nodes.push(...made);
    initializers.push(...own);
  };

  /** Rounds a product's input, once for all products that read it. */
  function roundedInput(name: string): RoundedInput {
    let known = inputs.get(name);
    if (!known) {
      const { graph: made, output } = fragment(
        `int8/rows/${name}`,
        (write) => roundRows(write, name, opset),
        [name],
      );
      take(made);
      known = { levels: output[0], steps: output[1] };
      inputs.set(name, known);
    }
    return known;
  }

  for (const node of graph.nodes) {
    const use = useOf(node);
    const weight = use && largeWeight(weights.get(use.weight));
    if (!use || !weight || weight.shape.length !== use.rank) {
      nodes.push(node);
      continue;
    }
    rounded.add(use.weight);
    const [result] = node.outputs as [string];
    if (use.kind === 'product') {
      const { levels, steps } = roundedInput(use.input);
      const outside = [levels, steps, ...(use.bias === undefined ? [] : [use.bias])];
      const { graph: made, output } = fragment(
        `int8/${result}`,
        (write) => product(write, { levels, steps }, use.transposed ? transposed(weight) : weight, use.bias),
        outside,
      );
      take(named(made, output, result));
    } else if (use.kind === 'table') {
      const { graph: made, output } = fragment(
        `int8/${result}`,
        (write) => lookUp(write, use.input, weight),
        [use.input],
      );
      take(named(made, output, result));
    } else {
      const { graph: made, output } = fragment(`int8/${result}`, (write) => widened(write, weight));
      take(made);
      nodes.push({ ...node, inputs: node.inputs.map((name, at) => (at === 1 ? output : name)) });
    }
  }
  const read = new Set([...nodes.flatMap(namesReadBy), ...graph.outputs.map(({ name }) => name)]);
  return {
    model: {
      ...model,
      ir: Math.max(model.ir, WEIGHTS_ALONE),
      graph: {
        ...graph,
        nodes,
        initializers: [...graph.initializers.filter(({ name }) => read.has(name)), ...initializers],
        inputs: graph.inputs.filter(({ name }) => !weights.has(name)),
      },
    },
    weights: rounded.size,
  };
}

interface RoundedInput {
  /** Unsigned, with 128 for zero. */
  readonly levels: string;
  /** Unit of each row. */
  readonly steps: string;
}

/** How a node uses a weight: a product of its input with a matrix, a convolution, or rows of a table. */
type Use = { readonly weight: string; readonly rank: number } & (
  | {
      readonly kind: 'product';
      readonly input: string;
      readonly transposed: boolean;
      readonly bias?: string;
    }
  | { readonly kind: 'convolution' }
  | { readonly kind: 'table'; readonly input: string }
);

function useOf({ type, domain, inputs, attributes }: OnnxNode): Use | undefined {
  if (domain !== '') return undefined;
  const [first = '', second = '', third = ''] = inputs;
  const settings = new Map(attributes.map(setting));
  switch (type) {
    case 'MatMul':
      return { kind: 'product', input: first, weight: second, rank: 2, transposed: false };
    case 'Gemm': {
      const plain = !settings.get('transA') && (settings.get('alpha') ?? 1) === 1;
      if (!plain || (third !== '' && (settings.get('beta') ?? 1) !== 1)) return undefined;
      const bias = third === '' ? {} : { bias: third };
      return {
        kind: 'product',
        input: first,
        weight: second,
        rank: 2,
        transposed: settings.get('transB') === 1,
        ...bias,
      };
    }
    case 'Conv':
      return { kind: 'convolution', weight: second, rank: 4 };
    case 'Gather':
      return settings.get('axis') ? undefined : { kind: 'table', weight: first, input: second, rank: 2 };
    default:
      return undefined;
  }
}

/** Name and number of an attribute; 0 if it is no number. */
function setting(attribute: Uint8Array): [string, number] {
  const fields = fieldsOf(attribute);
  const of = (wanted: number) => fields.find(({ number }) => number === wanted);
  const [name, float, integer] = [of(1), of(2), of(3)];
  const value = float ? littleEndian(float.raw.subarray(-4))[0]! : (integer?.integer ?? 0);
  return [name ? textOf(name) : '', value];
}

/** A weight in single precision with many numbers. Undefined for other weights. */
function largeWeight(message: Uint8Array | undefined): Tensor | undefined {
  if (!message) return undefined;
  const fields = fieldsOf(message);
  const all = (wanted: number) => fields.filter(({ number }) => number === wanted);
  const shape = all(1).flatMap((field) => (field.content.length > 0 ? integersOf(field) : [field.integer]));
  if (all(2)[0]?.integer !== FLOAT || sizeOf(shape) < LEAST_NUMBERS) return undefined;
  const raw = all(9)[0]?.content ?? packedFloats(all(4));
  return raw.length === 4 * sizeOf(shape) ? floatTensor(shape, littleEndian(raw)) : undefined;
}

/** The bytes of `float_data`. Exporters that leave it unpacked write small constants only. */
const packedFloats = ([field]: readonly WireField[]) => field?.content ?? new Uint8Array();

/** Numbers in a file's bytes, which need not be aligned. */
const littleEndian = (bytes: Uint8Array) => new Float32Array(new Uint8Array(bytes).buffer);

/** A weight as multiples of a unit for each place of `axis`, its first or last. */
function inUnits({ shape, data }: Tensor, axis: 'first' | 'last', units: number) {
  const numbers = data as Float32Array;
  const channels = (axis === 'first' ? shape[0] : shape.at(-1)) as number;
  const run = axis === 'first' ? numbers.length / channels : 1;
  const steps = new Float32Array(channels);
  const values = new Int8Array(numbers.length);
  for (let at = 0; at < numbers.length; at++) {
    const c = Math.floor(at / run) % channels;
    steps[c] = Math.max(steps[c]!, Math.abs(numbers[at]!) / units);
  }
  for (let at = 0; at < numbers.length; at++) {
    const step = steps[Math.floor(at / run) % channels]!;
    values[at] = step > 0 ? Math.round(numbers[at]! / step) : 0;
  }
  return { values: { dtype: 'int8', shape, data: values } as const, steps };
}

const scalar = (value: number) => floatTensor([], Float32Array.of(value));

/** Levels and units of the rows of `x` [..., k]: x is about (levels - 128) x unit. */
function roundRows(write: OnnxWriter, x: string, opset: number): [levels: string, steps: string] {
  const sizes = write.node('Abs', [x]);
  const largest =
    opset < AXES_AS_INPUT
      ? write.node('ReduceMax', [sizes], { axes: [-1] })
      : write.node('ReduceMax', [sizes, write.integers([-1])]);
  const step = write.node('Mul', [largest, write.tensor(scalar(1 / INPUT_UNITS))]);
  const steps = write.node('Max', [step, write.tensor(scalar(LEAST_STEP))]);
  // The conversion to integers drops the fraction.
  const places = write.node('Add', [write.node('Div', [x, steps]), write.tensor(scalar(INPUT_ZERO + 0.5))]);
  return [write.node('Cast', [places], { to: UINT8 }), steps];
}

/** x W + bias for W [k, n]. */
function product(write: OnnxWriter, { levels, steps }: RoundedInput, weight: Tensor, bias?: string): string {
  const { values, steps: units } = inUnits(weight, 'last', PRODUCT_UNITS);
  const zero = write.tensor({ dtype: 'uint8', shape: [], data: Uint8Array.of(INPUT_ZERO) });
  const sums = write.node('MatMulInteger', [levels, write.tensor(values), zero]);
  const ofRow = write.node('Mul', [write.node('Cast', [sums], { to: FLOAT }), steps]);
  const out = write.node('Mul', [ofRow, write.tensor(floatTensor([units.length], units))]);
  return bias === undefined ? out : write.node('Add', [out, bias]);
}

/** A convolution's weight [f, c, h, w] in single precision. */
function widened(write: OnnxWriter, weight: Tensor): string {
  const { values, steps } = inUnits(weight, 'first', STORED_UNITS);
  const shape = [steps.length, ...weight.shape.slice(1).fill(1)];
  const whole = write.node('Cast', [write.tensor(values)], { to: FLOAT });
  return write.node('Mul', [whole, write.tensor(floatTensor(shape, steps))]);
}

/** Rows of a table [v, d]. */
function lookUp(write: OnnxWriter, places: string, table: Tensor): string {
  const { values, steps } = inUnits(table, 'first', STORED_UNITS);
  const rows = write.node('Gather', [write.tensor(values), places]);
  const units = write.node('Gather', [write.tensor(floatTensor([steps.length, 1], steps)), places]);
  return write.node('Mul', [write.node('Cast', [rows], { to: FLOAT }), units]);
}

/** The graph with the result of its last node under another name. */
function named(graph: OnnxGraph, from: string, to: string): OnnxGraph {
  const nodes = graph.nodes.map((node) => ({
    ...node,
    outputs: node.outputs.map((name) => (name === from ? to : name)),
  }));
  return { ...graph, nodes };
}
