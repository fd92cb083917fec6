import { fromHalf } from '../math/half.ts';
import { fromInt8 } from '../math/int8.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';

/** Ends in an error that names the file and says why it is no usable classifier. */
export type Refuse = (reason: string, cause?: unknown) => never;

export type TensorReader = ReturnType<typeof tensorReader>;

/** Reads tensors with their expected shapes; anything else is refused by name. */
export function tensorReader(tensors: ReadonlyMap<string, Tensor>, refuse: Refuse) {
  const get = (name: string, dtype: Tensor['dtype'], rank: number): Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) return refuse(`tensor ${name} is missing`);
    if (tensor.dtype !== dtype || tensor.shape.length !== rank)
      return refuse(`tensor ${name} has another form`);
    return tensor;
  };
  const ints = (name: string, length: number, below = Number.POSITIVE_INFINITY): Int32Array => {
    const { data, shape } = get(name, 'int32', 1);
    if (shape[0] !== length) return refuse(`tensor ${name} has ${shape[0]} numbers instead of ${length}`);
    if ((data as Int32Array).some((x) => x < 0 || x >= below))
      return refuse(`tensor ${name} is out of range`);
    return data as Int32Array;
  };
  const floats = (name: string, length: number): Float32Array => {
    const { data, shape } = get(name, 'float32', 1);
    if (shape[0] !== length) return refuse(`tensor ${name} has ${shape[0]} numbers instead of ${length}`);
    if (!(data as Float32Array).every(Number.isFinite))
      return refuse(`tensor ${name} holds something that is not a number`);
    return data as Float32Array;
  };
  return {
    integers: ints,
    matrix: (name: string, cols: number): Matrix => {
      const { data, shape } = get(name, 'float16', 2);
      if (shape[1] !== cols) return refuse(`tensor ${name} has ${shape[1]} columns instead of ${cols}`);
      if (!allFinite(data as Uint16Array))
        return refuse(`tensor ${name} holds something that is not a number`);
      return matrix(shape[0], cols, fromHalf(data as Uint16Array));
    },
    floats,
    int8Rows: (name: string, steps: Float32Array): Matrix => {
      const { data, shape } = get(name, 'int8', 2);
      if (shape[1] !== steps.length)
        return refuse(`tensor ${name} has ${shape[1]} columns instead of ${steps.length}`);
      return matrix(shape[0], shape[1], fromInt8({ values: data as Int8Array, steps }));
    },
    pictures: (n: number): Uint8Array[] | undefined => {
      if (!tensors.has('thumbnails')) return undefined;
      const bytes = get('thumbnails', 'uint8', 1).data as Uint8Array;
      const offsets = ints('thumbnails.offsets', n + 1, bytes.length + 1);
      if (offsets.some((offset, i) => i > 0 && offset < offsets[i - 1]))
        refuse('tensor thumbnails.offsets goes backwards');
      return Array.from({ length: n }, (_, i) => bytes.slice(offsets[i], offsets[i + 1]));
    },
  };
}

/** Half-precision numbers whose exponent bits are all set are infinite or not numbers. */
function allFinite(halves: Uint16Array): boolean {
  for (let i = 0; i < halves.length; i++) if ((halves[i] & 0x7c00) === 0x7c00) return false;
  return true;
}
