import type { Pieces } from '../abort.ts';
import { rowCheck } from '../engine/keys/row-check.ts';
import { fromInt8 } from '../math/from-int8.ts';
import { fromHalf } from '../math/half.ts';
import { type Matrix, matrix, matrixOf, norm, row } from '../math/matrix.ts';
import { converted } from '../math/pieces.ts';
import { ofRank, type Tensor } from '../math/tensor.ts';
import type { Held } from '../methods/method.ts';
import type { Sum } from '../methods/summary.ts';
import { HASH } from '../sha256.ts';
import { type Bytes, damagedName, type ExampleColumns, type Parts } from './example-list.ts';

/** Throws an error that names the file and says why it is not a usable classifier. */
export type Refuse = (reason: string, cause?: unknown) => never;

/** A tensor of a classifier's file. The bytes of large ones may stay in the file. */
export interface FileTensor extends Pick<Tensor, 'dtype' | 'shape'> {
  readonly data: Tensor['data'] | Bytes;
}

export type TensorReader = ReturnType<typeof tensorReader>;

/** Reads tensors of the expected types, shapes and ranges. An error about any other tensor gives its name. */
export function tensorReader(tensors: ReadonlyMap<string, FileTensor>, refuse: Refuse) {
  const left = new Set(tensors.keys());
  /** Sizes that several tensors of the state share. */
  const named = new Map<string, number>();
  const get = (name: string, dtype: Tensor['dtype'], sizes: readonly (number | null)[]): FileTensor => {
    const tensor = tensors.get(name);
    if (!tensor) return refuse(`tensor ${name} is missing`);
    left.delete(name);
    const { shape } = tensor;
    if (tensor.dtype !== dtype) return refuse(`tensor ${name} is ${tensor.dtype} instead of ${dtype}`);
    if (shape.length !== sizes.length || sizes.some((size, i) => size !== null && size !== shape[i])) {
      const wanted = sizes.map((size) => size ?? 'any').join(', ');
      return refuse(`tensor ${name} is [${shape.join(', ')}] instead of [${wanted}]`);
    }
    return tensor;
  };
  const ints = (name: string, length: number, below = 2 ** 31): Int32Array => {
    const data = get(name, 'int32', [length]).data as Int32Array;
    if (data.some((x) => x < 0 || x >= below)) return refuse(`tensor ${name} is out of range`);
    return data;
  };
  const state = (name: string, held: Held): Tensor => {
    const { shape: wanted = [] } = held;
    const sizes = wanted.map((size) => (typeof size === 'string' ? (named.get(size) ?? null) : size));
    const tensor = get(name, 'float32', sizes) as Tensor;
    wanted.forEach((size, i) => {
      if (typeof size === 'string') named.set(size, tensor.shape[i]!);
    });
    const wrong = (tensor.data as Float32Array).find((x) => !isHeld(x, held));
    if (wrong !== undefined) return refuse(`tensor ${name} holds ${wrong}`);
    if (held.unit) checkUnit(name, tensor);
    return tensor;
  };
  const checkUnit = (name: string, tensor: Tensor): void => {
    const m = matrixOf(tensor);
    for (let i = 0; i < m.rows; i++) {
      const length = norm(row(m, i));
      if (length !== 0 && Math.abs(length - 1) > 1e-3) refuse(`tensor ${name} has a row of length ${length}`);
    }
  };
  const lengths = (name: string, length: number) =>
    state(name, { shape: [length], least: 0 }).data as Float32Array;
  /** The companions of features in 8 bits: the unit of each column, and 1 / length of each row. */
  const steps = (cols: number) => lengths('support.steps', cols);
  const scales = (rows: number) => lengths('support.scales', rows);
  /** Byte strings, as many as are wanted, and where they begin and end. */
  const parts = <B extends Bytes>(name: string, wanted: number): Parts<B> => {
    const bytes = get(name, 'uint8', [null]).data as Bytes as B;
    const offsets = ints(`${name}.offsets`, wanted + 1, bytes.length + 1);
    if (offsets.some((offset, i) => i > 0 && offset < offsets[i - 1]!))
      refuse(`tensor ${name}.offsets goes backwards`);
    if (offsets[0] !== 0 || offsets[wanted] !== bytes.length)
      refuse(`tensor ${name}.offsets does not cover tensor ${name}`);
    return { bytes, offsets };
  };
  const pictures = (n: number) => (tensors.has('thumbnails') ? parts<Bytes>('thumbnails', n) : undefined);
  return {
    integers: ints,
    state,
    pictures,
    /** Ids, hashes and thumbnails of the examples. The ids are checked here, so that none is found damaged later. */
    *examples(n: number): Pieces<ExampleColumns> {
      const hashes = get('examples.sha256', 'uint8', [n, HASH]).data as Bytes;
      const ids = parts<Uint8Array>('examples.ids', n);
      const damaged = yield* damagedName(ids);
      if (damaged !== undefined) refuse(`tensor examples.ids is not UTF-8 at example ${damaged}`);
      return { ids, hashes, pictures: pictures(n) };
    },
    sum: (name: string, shape: readonly number[]): Sum => {
      const tensor = get(name, 'float64', shape) as Sum;
      const wrong = tensor.data.find((x) => !Number.isFinite(x));
      return wrong === undefined ? tensor : refuse(`tensor ${name} holds ${wrong}`);
    },
    /** Refuses tensors that were not read, because the format does not have them. */
    end: (): void => {
      const [name] = left;
      if (name !== undefined) refuse(`tensor ${name} is not part of the format`);
    },
    *matrix(name: string, cols: number): Pieces<Matrix> {
      const { shape, data } = get(name, 'float16', [null, cols]);
      const look = rowCheck({ name, dtype: 'float16', cols });
      const numbers = (halves: Uint16Array) => {
        const wrong = look(halves);
        return wrong ? refuse(wrong) : fromHalf(halves);
      };
      return matrix(
        ofRank(shape, 2)[0],
        cols,
        yield* converted(data as Uint16Array, new Float32Array(data.length), numbers),
      );
    },
    steps,
    scales,
    *int8Rows(name: string, units: Float32Array): Pieces<Matrix> {
      const { shape, data } = get(name, 'int8', [null, units.length]);
      const [rows, cols] = ofRank(shape, 2);
      const look = rowCheck({ name, dtype: 'int8', cols, steps: units, scales: scales(rows) });
      const numbers = (values: Int8Array) => {
        const wrong = look(values);
        return wrong ? refuse(wrong) : fromInt8({ values, steps: units });
      };
      return matrix(
        rows,
        cols,
        yield* converted(data as Int8Array, new Float32Array(data.length), numbers, cols),
      );
    },
  };
}

/** Whether a number is a single-precision number in its range. */
export function isHeld(x: number, { least, above, most, whole }: Held): boolean {
  const single = Math.fround(x);
  return (
    Number.isFinite(single) &&
    (least === undefined || single >= least) &&
    (above === undefined || single > above) &&
    (most === undefined || single <= most) &&
    (!whole || Number.isInteger(x))
  );
}
