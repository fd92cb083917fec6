import { graphWriter, modelMessage, valueInfo } from '../graph/onnx.ts';
import { bytesField, Message, packedField, textField, varintField } from '../graph/protobuf.ts';
import { toHalf } from '../math/half.ts';
import { type DType, floatTensor, type Tensor } from '../math/tensor.ts';

/** Side of the pictures, and numbers in one. */
export const SIDE = 4;
const NUMBERS = SIDE * SIDE * 3;
/** Dimension of the embeddings, whose numbers are all equal. */
export const WIDTH = 3;
const BLOCK = 16;

/** How a tiny model keeps and uses its weights. */
export type Weights = 'float' | 'half' | 'int8' | 'uint8' | 'q4' | 'bnb4';

/** A tower of a tiny model. Its embedding is `mark` times the sum of a picture, or 48 times the mean of the tokens. */
export interface TinyTower {
  readonly mark: number;
  readonly input: string;
  readonly output: string;
  readonly dtype?: DType;
  /** Inputs that are read but change nothing, such as `attention_mask`. */
  readonly others?: readonly string[];
  /** Size of the batch, if it is fixed. */
  readonly batch?: number;
}

/** The bytes of an ONNX model with one tower or both, and of the file with its weights if they are `external`. */
export function tinyModel(
  towers: { readonly image?: TinyTower; readonly text?: TinyTower },
  { weights = 'float', external }: { weights?: Weights; external?: string } = {},
): { model: Uint8Array; data: Uint8Array } {
  const graph = new Message();
  const write = graphWriter(graph);
  const kept: Uint8Array[] = [];
  const place = { graph, external, kept };
  const { image, text } = towers;
  if (image) {
    const { dtype = 'float32', batch: n = 'n' } = image;
    const shape = dtype === 'uint8' ? [n, SIDE, SIDE, 3] : [n, 3, SIDE, SIDE];
    bytesField(graph, 11, valueInfo(image.input, { dtype, shape }));
    const flat = write.node('Reshape', [float(image.input), write.integers([0, -1])]);
    finish(image, flat, dtype === 'uint8' ? image.mark / 255 : image.mark, dtype === 'float16');
  }
  if (text) {
    const { dtype = 'int64', batch: n = 'm', others = [] } = text;
    for (const name of [text.input, ...others])
      bytesField(graph, 11, valueInfo(name, { dtype, shape: [n, 'l'] }));
    const zero = others.map((name) => write.node('Mul', [float(name), number(0)]));
    const tokens = zero.reduce((sum, one) => write.node('Add', [sum, one]), float(text.input));
    const mean = write.node('ReduceMean', [tokens], { axes: [1], keepdims: 1 });
    const ones = write.tensor(floatTensor([1, NUMBERS], new Float32Array(NUMBERS).fill(1)));
    finish(text, write.node('MatMul', [mean, ones]), text.mark, false);
  }
  const opsets = [
    ['', 17],
    ['com.microsoft', 1],
  ] as const;
  return { model: modelMessage(graph, { ir: 8, opsets, metadata: {} }).bytes(), data: Buffer.concat(kept) };

  function float(name: string): string {
    return write.node('Cast', [name], { to: FLOAT });
  }
  function number(value: number): string {
    return write.tensor(floatTensor([], Float32Array.of(value)));
  }
  function finish(tower: TinyTower, flat: string, mark: number, half: boolean): void {
    const { output, batch = 'n' } = tower;
    const product = times(flat, mark, weights, place);
    write.rename(half ? write.node('Cast', [product], { to: HALF }) : product, output);
    const info = { dtype: half ? 'float16' : 'float32', shape: [batch, WIDTH] } as const;
    bytesField(graph, 12, valueInfo(output, info));
  }
}

const [FLOAT, HALF] = [1, 10] as const;

interface Place {
  readonly graph: Message;
  readonly external?: string;
  readonly kept: Uint8Array[];
}

/** The name of x [n, 48] times a matrix [48, 3] whose numbers are all `mark`. */
function times(x: string, mark: number, weights: Weights, { graph, external, kept }: Place): string {
  const own = (name: string) => `${x}/${name}`;
  const constant = (name: string, tensor: Tensor) => {
    const proto = tensorProto(own(name), tensor);
    const { buffer, byteOffset, byteLength } = tensor.data;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    if (external === undefined) bytesField(proto, 9, bytes);
    else placeOutside(proto, bytes, external, kept);
    bytesField(graph, 5, proto);
    return own(name);
  };
  const filled = (bits: number, dtype: 'uint8' | 'int8', shape: number[]): Tensor => {
    const data = dtype === 'uint8' ? new Uint8Array(volume(shape)) : new Int8Array(volume(shape));
    return { dtype, shape, data: data.fill(bits) };
  };
  const floats = (value: number, ...shape: number[]) =>
    floatTensor(shape, new Float32Array(volume(shape)).fill(value));
  const blocks = NUMBERS / BLOCK;
  const attributes = { K: NUMBERS, N: WIDTH, block_size: BLOCK };
  switch (weights) {
    case 'float':
      return node('MatMul', [x, constant('w', floats(mark, NUMBERS, WIDTH))], ['product']);
    case 'half': {
      const data = toHalf(new Float32Array(NUMBERS * WIDTH).fill(mark));
      const w = constant('w', { dtype: 'float16', shape: [NUMBERS, WIDTH], data });
      const cast = node('Cast', [x], ['half'], { to: HALF });
      return node('Cast', [node('MatMul', [cast, w], ['halves'])], ['product'], { to: FLOAT });
    }
    case 'q4': {
      // Nibbles of 9 mean 9 - 8 = 1 times the scale of their block.
      const b = constant('b', filled(0x99, 'uint8', [WIDTH, blocks, BLOCK / 2]));
      const scales = constant('s', floats(mark, WIDTH * blocks));
      return node('MatMulNBits', [x, b, scales], ['product'], { ...attributes, bits: 4 }, 'com.microsoft');
    }
    case 'bnb4': {
      // 15 is the code of 1 in NF4.
      const b = constant('b', filled(0xff, 'uint8', [(WIDTH * NUMBERS) / 2]));
      const largest = constant('s', floats(mark, WIDTH * blocks));
      return node(
        'MatMulBnb4',
        [x, b, largest],
        ['product'],
        { ...attributes, quant_type: 1 },
        'com.microsoft',
      );
    }
    default: {
      const w = constant('w', filled(1, weights, [NUMBERS, WIDTH]));
      node('DynamicQuantizeLinear', [x], ['quantized', 'scale', 'zero']);
      const product = node('MatMulInteger', [own('quantized'), w, own('zero')], ['integers']);
      const scaled = node(
        'Mul',
        [node('Cast', [product], ['floats'], { to: FLOAT }), own('scale')],
        ['scaled'],
      );
      return node('Mul', [scaled, constant('m', floats(mark))], ['product']);
    }
  }

  function node(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    ints: Record<string, number> = {},
    domain?: string,
  ): string {
    const proto = new Message();
    for (const name of inputs) textField(proto, 1, name);
    for (const name of outputs) textField(proto, 2, own(name));
    textField(proto, 4, type);
    for (const [key, value] of Object.entries(ints)) {
      const attribute = new Message();
      textField(attribute, 1, key);
      varintField(attribute, 3, value);
      varintField(attribute, 20, 2);
      bytesField(proto, 5, attribute);
    }
    if (domain) textField(proto, 7, domain);
    bytesField(graph, 1, proto);
    return own(outputs[0]!);
  }
}

const TYPES: Partial<Record<DType, number>> = { float32: FLOAT, uint8: 2, int8: 3, float16: HALF };

function tensorProto(name: string, { dtype, shape }: Tensor): Message {
  const proto = new Message();
  packedField(proto, 1, shape);
  varintField(proto, 2, TYPES[dtype]!);
  textField(proto, 8, name);
  return proto;
}

function placeOutside(proto: Message, bytes: Uint8Array, location: string, kept: Uint8Array[]): void {
  const offset = kept.reduce((sum, { length }) => sum + length, 0);
  for (const [key, value] of Object.entries({ location, offset, length: bytes.length })) {
    const entry = new Message();
    textField(entry, 1, key);
    textField(entry, 2, `${value}`);
    bytesField(proto, 13, entry);
  }
  varintField(proto, 14, 1);
  kept.push(bytes);
}

const volume = (shape: readonly number[]) => shape.reduce((n, size) => n * size, 1);
