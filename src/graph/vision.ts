import { ofRank } from '../math/tensor.ts';
import {
  apply,
  type Dim,
  type Expr,
  knownSize,
  type Op,
  shapeError,
  type Value,
  zeros,
} from './expression.ts';
import { mean } from './reduce.ts';

/** The window of an operation on images [n, channels, height, width], in pixels; height comes before width. */
export type Window = {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Pixels added at top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
};

function imageShape(name: string, x: Expr): [Dim, Dim, Dim, Dim] {
  if (x.shape.length !== 4) throw shapeError(name, 'takes images [n, c, h, w]', x);
  return ofRank(x.shape, 4);
}

function outputSize(size: number, axis: 0 | 1, window: Window): number;
function outputSize(size: Dim, axis: 0 | 1, window: Window): Dim;
function outputSize(size: Dim, axis: 0 | 1, { kernel, stride, pads }: Window): Dim {
  if (typeof size === 'string') return `${size}~${kernel[axis]}/${stride[axis]}`;
  return Math.floor((size + pads[axis] + pads[axis + 2]! - kernel[axis]) / stride[axis]) + 1;
}

/** Channels are convolved in as many groups, each with its own filters. */
type Convolution = Window & { readonly groups: number };

const convOp: Op<Convolution, [Expr, Expr, ...Expr[]]> = {
  name: 'conv2d',
  infer: ([x, weight, bias], window) => {
    const [n, channels, height, width] = imageShape('conv2d', x);
    const [filters, expected] = imageShape('conv2d', weight);
    const { groups } = window;
    const fits = typeof channels === 'number' && channels === (expected as number) * groups;
    if (!fits || (filters as number) % groups !== 0)
      throw shapeError('conv2d', 'channels do not fit', x, weight);
    if (bias && bias.shape[0] !== filters) throw shapeError('conv2d', 'the bias does not fit', weight, bias);
    const size = [outputSize(height, 0, window), outputSize(width, 1, window)];
    return { shape: [n, filters, ...size], dtype: 'float32' };
  },
  evaluate: ([x, weight, bias], window) => {
    const [filters, channels] = ofRank(weight.shape, 4);
    const together = filters / window.groups;
    return slideWindow(x, window, filters, (plane, filter, out) => {
      let total = bias ? bias.data[filter]! : 0;
      const first = Math.floor(filter / together) * channels;
      for (let c = 0; c < channels; c++) {
        const at = (filter * channels + c) * window.kernel[0] * window.kernel[1];
        plane(first + c, (value, tap) => {
          total += value * weight.data[at + tap]!;
        });
      }
      out(total);
    });
  },
  onnx: (operands, { stride, pads, groups }, write, { operands: [, weight] }) =>
    write.node('Conv', operands, {
      kernel_shape: [knownSize('conv2d', weight, 2), knownSize('conv2d', weight, 3)],
      strides: stride,
      pads,
      ...(groups > 1 && { group: groups }),
    }),
};

/**
 * 2-D convolution (cross-correlation): x [n, c, h, w], weight [f, c / groups, kh, kw], bias [f]. Each group of channels is seen by its own
 * f / groups filters.
 */
export function conv2d(
  x: Expr,
  weight: Expr,
  {
    stride = [1, 1],
    pads = [0, 0, 0, 0],
    bias,
    groups = 1,
  }: { stride?: Window['stride']; pads?: Window['pads']; bias?: Expr; groups?: number } = {},
): Expr {
  const kernel = weight.shape.slice(2) as [number, number];
  return apply(convOp, bias ? [x, weight, bias] : [x, weight], { kernel, stride, pads, groups });
}

function pooling(
  name: string,
  onnxType: string,
  fold: (values: number[]) => number,
  extra: Record<string, number>,
): Op<Window, [Expr]> {
  return {
    name,
    infer: ([x], window) => {
      const [n, channels, height, width] = imageShape(name, x);
      const size = [outputSize(height, 0, window), outputSize(width, 1, window)];
      return { shape: [n, channels, ...size], dtype: 'float32' };
    },
    evaluate: ([x], window) =>
      slideWindow(x, window, x.shape[1]!, (plane, channel, out) => {
        const values: number[] = [];
        plane(channel, (value) => values.push(value));
        out(fold(values));
      }),
    onnx: (operands, { kernel, stride, pads }, write) =>
      write.node(onnxType, operands, { kernel_shape: kernel, strides: stride, pads, ...extra }),
  };
}

const maxPoolOp = pooling('maxPool', 'MaxPool', (values) => Math.max(...values), {});
const averagePoolOp = pooling(
  'averagePool',
  'AveragePool',
  (values) => values.reduce((a, b) => a + b, 0) / values.length,
  {},
);

/** The window of a pooling operation. The default of `pads` is no padding. */
export type PoolOptions = { kernel: Window['kernel']; stride: Window['stride']; pads?: Window['pads'] };

/** Largest value in each window, without the padding. */
export function maxPool(x: Expr, { kernel, stride, pads = [0, 0, 0, 0] }: PoolOptions): Expr {
  return apply(maxPoolOp, [x], { kernel, stride, pads });
}

/** Mean of each window, without the padding. */
export function averagePool(x: Expr, { kernel, stride, pads = [0, 0, 0, 0] }: PoolOptions): Expr {
  return apply(averagePoolOp, [x], { kernel, stride, pads });
}

/** Mean over height and width: [n, c, h, w] → [n, c]. */
export function globalAveragePool(x: Expr): Expr {
  return mean(x, [2, 3]);
}

type Plane = (channel: number, visit: (value: number, tap: number) => void) => void;

/** Calls `emit` for each output position. `plane` visits the input values in the window, without the padding. */
function slideWindow(
  x: Value,
  { kernel, stride, pads }: Window,
  outputs: number,
  emit: (plane: Plane, channel: number, out: (value: number) => void) => void,
): Value {
  const [n, channels, height, width] = ofRank(x.shape, 4);
  const window = { kernel, stride, pads };
  const [h, w] = [outputSize(height, 0, window), outputSize(width, 1, window)];
  const result = zeros([n, outputs, h, w]);
  let at = 0;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < outputs; channel++) {
      for (let i = 0; i < h; i++) {
        for (let j = 0; j < w; j++) {
          const plane: Plane = (c, visit) => {
            for (let ki = 0; ki < kernel[0]; ki++) {
              const y = i * stride[0] + ki - pads[0];
              if (y < 0 || y >= height) continue;
              for (let kj = 0; kj < kernel[1]; kj++) {
                const z = j * stride[1] + kj - pads[1];
                if (z < 0 || z >= width) continue;
                visit(x.data[((image * channels + c) * height + y) * width + z]!, ki * kernel[1] + kj);
              }
            }
          };
          emit(plane, channel, (value) => {
            result.data[at] = value;
          });
          at++;
        }
      }
    }
  }
  return result;
}
