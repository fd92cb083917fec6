import { concatBytes } from '../../bytes.ts';
import { ModelError } from '../../errors.ts';
import { add, relu } from '../../graph/elementwise.ts';
import { constant, type Expr, input, knownSize } from '../../graph/expression.ts';
import { conv2d, globalAveragePool, maxPool } from '../../graph/vision.ts';
import { floatTensor, ofRank, sizeOf } from '../../math/tensor.ts';
import { count } from '../../words.ts';

/**
 * Reads a Keras "layers model" of TensorFlow.js (`model.json` and weight shards) into an expression. It supports the layers of ResNet50,
 * folds batch normalisation into the convolutions, and takes pictures as [n, channels, height, width].
 */
export interface KerasModel {
  readonly layers: readonly KerasLayer[];
  /** The tensor `layer/name`, in Keras's order of axes. */
  weight(layer: string, name: string): { shape: readonly number[]; data: Float32Array };
}

interface KerasLayer {
  readonly class_name: string;
  readonly config: { readonly name: string; readonly [option: string]: unknown };
  readonly inbound_nodes: readonly (readonly [name: string, ...unknown[]][])[];
}

interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly { name: string; shape: number[]; dtype: string }[];
}

/** @param read returns the bytes of a file beside model.json */
export function readKerasModel(modelJson: Uint8Array, read: (path: string) => Uint8Array): KerasModel {
  const model = JSON.parse(new TextDecoder().decode(modelJson));
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const { paths, weights } of model.weightsManifest as WeightGroup[]) {
    const bytes = concatBytes(paths.map(read));
    let at = 0;
    for (const { name, shape, dtype } of weights) {
      const length = sizeOf(shape);
      if (dtype !== 'float32' || (at + length) * 4 > bytes.length) {
        throw new ModelError(
          `The Keras weight ${name} (${dtype}, ${count(length, 'number')}) does not fit its file`,
          {
            code: 'encoder/keras-weights',
          },
        );
      }
      tensors.set(name, { shape, data: new Float32Array(bytes.buffer, at * 4, length) });
      at += length;
    }
  }
  return {
    layers: model.modelTopology.model_config.config.layers,
    weight: (layer, name) => {
      const found = tensors.get(`${layer}/${name}`);
      if (!found) {
        throw new ModelError(`The Keras model has no weight ${layer}/${name}`, {
          code: 'encoder/keras-weights',
        });
      }
      return found;
    },
  };
}

/** The pooled feature [n, channels] of pictures `pixel_values` [n, 3, size, size]: everything before the classification layer. */
export function pooledFeature(model: KerasModel): Expr {
  const values = new Map<string, Layered>();
  const normalized = new Map<string, Config>();
  for (const { class_name, config, inbound_nodes } of model.layers) {
    if (class_name === 'BatchNormalization') normalized.set(inbound_nodes[0]![0]![0], config);
  }
  for (const { class_name, config, inbound_nodes } of model.layers) {
    const operands = (inbound_nodes[0] ?? []).map(([name]) => values.get(name)!);
    const build = BUILDERS[class_name];
    if (!build) {
      throw new ModelError(`The Keras layer ${config.name} is a ${class_name}, which is not known here`, {
        code: 'encoder/keras-layer',
      });
    }
    const value = build(
      operands as readonly Layered[] as Operands,
      config,
      model,
      normalized.get(config.name),
    );
    if (class_name === 'GlobalAveragePooling2D') return value.x;
    values.set(config.name, value);
  }
  throw new ModelError('The Keras model has no pooled feature', { code: 'encoder/keras-layer' });
}

/** A value, with the zero padding that the next window adds (top, left, bottom, right). */
interface Layered {
  readonly x: Expr;
  readonly pads: readonly [number, number, number, number];
}

type Config = KerasLayer['config'];
type Builder = (operands: Operands, config: Config, model: KerasModel, batchNorm?: Config) => Layered;
/** The layer's inputs: none for the input layer, two for `Add`. */
type Operands = readonly [Layered, Layered];

const NO_PADS = [0, 0, 0, 0] as const;

const BUILDERS: Readonly<Record<string, Builder>> = {
  InputLayer: (_, { batch_input_shape }) => {
    const [, height, width, channels] = batch_input_shape as [null, number, number, number];
    return { x: input('pixel_values', ['n', channels, height, width]), pads: NO_PADS };
  },
  ZeroPadding2D: ([{ x }], { padding }) => {
    const [[top, bottom], [left, right]] = padding as [[number, number], [number, number]];
    return { x, pads: [top, left, bottom, right] };
  },
  Conv2D: ([{ x, pads }], config, model, batchNorm) => {
    const { weight, bias } = foldedConvolution(model, config.name, batchNorm);
    const stride = config.strides as [number, number];
    const same = config.padding === 'same' ? samePads(x, weight, stride) : pads;
    return { x: conv2d(x, weight, { stride, pads: same, bias }), pads: NO_PADS };
  },
  BatchNormalization: ([value]) => value,
  Activation: ([{ x, pads }], { activation }) => {
    if (activation !== 'relu') {
      throw new ModelError(`The Keras activation ${activation} is not known here`, {
        code: 'encoder/keras-layer',
      });
    }
    return { x: relu(x), pads };
  },
  // ResNet pads the output of a ReLU. There a zero is never larger than the window's values, so the padding of `maxPool`, which never wins, is equal.
  MaxPooling2D: ([{ x, pads }], { pool_size, strides }) => ({
    x: maxPool(x, { kernel: pool_size as [number, number], stride: strides as [number, number], pads }),
    pads: NO_PADS,
  }),
  Add: ([a, b]) => ({ x: add(a.x, b.x), pads: NO_PADS }),
  GlobalAveragePooling2D: ([{ x }]) => ({ x: globalAveragePool(x), pads: NO_PADS }),
};

/** Padding of Keras's `same`: the output size is ceil(size / stride), and an odd padding has one more at the end. */
function samePads(x: Expr, weight: Expr, stride: readonly [number, number]): Layered['pads'] {
  const total = (axis: 0 | 1): number => {
    const [size, kernel] = [knownSize('conv2d', x, axis + 2), knownSize('conv2d', weight, axis + 2)];
    return Math.max((Math.ceil(size / stride[axis]) - 1) * stride[axis] + kernel - size, 0);
  };
  const [vertical, horizontal] = [total(0), total(1)];
  return [
    Math.floor(vertical / 2),
    Math.floor(horizontal / 2),
    Math.ceil(vertical / 2),
    Math.ceil(horizontal / 2),
  ];
}

/** Kernel [kh, kw, in, out] as [out, in, kh, kw], scaled, and bias shifted, by the batch normalisation that follows. */
function foldedConvolution(
  model: KerasModel,
  conv: string,
  batchNorm?: Config,
): { weight: Expr; bias: Expr } {
  const kernel = model.weight(conv, 'kernel');
  const bias = Float64Array.from(model.weight(conv, 'bias').data);
  const [kh, kw, channels, filters] = ofRank(kernel.shape, 4);
  const gain = new Float64Array(filters).fill(1);
  if (batchNorm) {
    const { epsilon } = batchNorm;
    if (typeof epsilon !== 'number') {
      throw new ModelError(`The Keras batch normalisation ${batchNorm.name} has no epsilon`, {
        code: 'encoder/keras-layer',
      });
    }
    const values = (name: string) => model.weight(batchNorm.name, name).data;
    const [gamma, beta] = [values('gamma'), values('beta')];
    const [mean, variance] = [values('moving_mean'), values('moving_variance')];
    for (let f = 0; f < filters; f++) {
      gain[f] = gamma[f]! / Math.sqrt(variance[f]! + epsilon);
      bias[f] = (bias[f]! - mean[f]!) * gain[f]! + beta[f]!;
    }
  }
  const weight = new Float32Array(kernel.data.length);
  const taps = kh * kw;
  for (let tap = 0; tap < taps; tap++) {
    for (let c = 0; c < channels; c++) {
      const from = (tap * channels + c) * filters;
      for (let f = 0; f < filters; f++)
        weight[(f * channels + c) * taps + tap] = kernel.data[from + f]! * gain[f]!;
    }
  }
  return {
    weight: constant(floatTensor([filters, channels, kh, kw], weight)),
    bias: constant(floatTensor([filters], Float32Array.from(bias))),
  };
}
