import { ModelError } from '../errors.ts';
import { type DType, sizeOf, type Tensor } from '../math/tensor.ts';
import { count } from '../words.ts';
import { isObject, type PickleObject, type PickleValue, parsePickle } from './pickle.ts';
import { openZip } from './zip.ts';

/** The tensors of a file of `torch.save` or of TorchScript. */
export interface TorchArchive {
  /** By name; names of a model that was trained on several devices lose their `module.` at the front. */
  readonly entries: ReadonlyMap<string, Pick<Tensor, 'dtype' | 'shape'>>;
  /** Whether it is a program of TorchScript, as OpenAI's releases are. */
  readonly isScript: boolean;
  tensor(name: string): Promise<Tensor>;
  /** Positions of the tensors in the file, in bytes, by name. A tensor that does not lie in it row by row and uncompressed is absent. */
  positions(): Promise<Map<string, number>>;
}

interface Place extends Pick<Tensor, 'dtype' | 'shape'> {
  readonly storage: string;
  /** In numbers: where the tensor begins, and the distance between neighbours along each axis. */
  readonly offset: number;
  readonly strides: readonly number[];
}

const STORAGES: Readonly<Record<string, DType>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Calls that make values. Their effect is known, so they are not run. Classes of TorchScript begin with `__torch__`. */
const CALLS = [
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  'torch.jit._pickle.restore_type_tag',
  'collections.OrderedDict',
];

/**
 * Opens a zip of `torch.save` (a state dictionary, alone or as `state_dict` of a training checkpoint) or of TorchScript. The pickle in it
 * is read and never run. Throws `ModelError` `torch/…` for the format before the zip, for a pickle that calls anything else than what
 * tensors need, and for a damaged file.
 */
export async function openTorchArchive(path: string): Promise<TorchArchive> {
  const fail = (why: string): never => {
    throw new ModelError(`${path} cannot be read as weights of PyTorch: ${why}`, {
      code: 'torch/unreadable',
      hint: 'Save the state dictionary anew as safetensors or with torch.save of PyTorch 1.6 or later.',
      details: { path },
    });
  };
  const zip = await openZip(path, { mostEntryBytes: 2 ** 34 }).catch((cause) => {
    if (cause.code !== 'zip/not-a-zip') throw cause;
    return fail('it is not a zip, which PyTorch writes since version 1.6');
  });
  const pickled = zip.entries.find(({ name }) => /^[^/]+\/data\.pkl$/.test(name))?.name;
  if (!pickled) return fail('it has no data.pkl');
  const stem = pickled.slice(0, pickled.indexOf('/'));
  const order = zip.entries.some(({ name }) => name === `${stem}/byteorder`)
    ? Buffer.from(await zip.read(`${stem}/byteorder`)).toString()
    : 'little';
  if (order !== 'little') fail(`its bytes are in ${order}-endian order`);
  const root = parsePickle(await zip.read(pickled), (why) => fail(`data.pkl: ${why}`));
  const places = new Map<string, Place>();
  const isScript = isObject(root) && root.global.module.startsWith('__torch__');
  collect(isScript ? root : stateOf(root), '', places, fail);
  if (places.size === 0) fail('it holds no tensors');
  const sizes = new Map(zip.entries.map(({ name, size }) => [name, size]));
  const fileOf = ({ storage }: Place) => `${stem}/data/${storage}`;
  for (const [name, place] of places) checkPlace(name, place, sizes.get(fileOf(place)), fail);
  return {
    entries: places,
    isScript,
    tensor: async (name) => {
      const place = places.get(name) ?? fail(`it has no tensor ${name}`);
      return gathered(place, await zip.read(fileOf(place)));
    },
    positions: async () => {
      const starts = await zip.positions(new Set([...places.values()].map(fileOf)));
      return new Map(
        [...places].flatMap(([name, place]): [string, number][] => {
          const start = starts.get(fileOf(place));
          const skipped = place.offset * ARRAYS[place.dtype].BYTES_PER_ELEMENT;
          return start === undefined || !isDense(place) ? [] : [[name, start + skipped]];
        }),
      );
    },
  };
}

/** The state dictionary of a training checkpoint, or the value itself. */
function stateOf(root: PickleValue): PickleValue {
  return dictionaryOf(root)?.get('state_dict') ?? root;
}

function dictionaryOf(value: PickleValue): Map<PickleValue, PickleValue> | undefined {
  if (value instanceof Map) return value;
  return isObject(value) && value.state instanceof Map ? value.state : undefined;
}

/** Collects the tensors of a dictionary or of a module of TorchScript under their names, with `.` between levels. */
function collect(
  value: PickleValue,
  name: string,
  places: Map<string, Place>,
  fail: (why: string) => never,
): void {
  if (isObject(value) && !isModule(value)) {
    checkCall(value, fail);
    const tensor = tensorOf(value, fail);
    const own = name.replace(/^module\./, '');
    if (tensor && places.has(own)) fail(`it holds the tensor ${own} twice`);
    if (tensor) places.set(own, tensor);
  }
  for (const [key, inner] of dictionaryOf(value) ?? [])
    if (typeof key === 'string' && inner !== null && typeof inner === 'object')
      collect(inner, name === '' ? key : `${name}.${key}`, places, fail);
}

function isModule({ global }: PickleObject): boolean {
  return global.module === '__torch__' || global.module.startsWith('__torch__.');
}

function checkCall({ global: { module, name } }: PickleObject, fail: (why: string) => never): void {
  if (!CALLS.includes(`${module}.${name}`))
    fail(`data.pkl calls ${module}.${name}, which tensors do not need`);
}

/** The tensor that a call makes, or undefined for a call that makes something else. */
function tensorOf({ global, args }: PickleObject, fail: (why: string) => never): Place | undefined {
  if (global.name === '_rebuild_parameter') {
    const [data] = args;
    return data !== undefined && isObject(data) ? tensorOf(data, fail) : fail('a parameter has no data');
  }
  if (global.name !== '_rebuild_tensor_v2') return undefined;
  const [storage, offset, shape, strides] = args;
  const reference =
    storage !== null && typeof storage === 'object' && 'reference' in storage ? storage.reference : undefined;
  const [kind, type, key] = Array.isArray(reference) ? reference : [];
  const named = type !== null && typeof type === 'object' && 'module' in type ? type.name : '';
  const dtype = STORAGES[named];
  if (kind !== 'storage' || typeof key !== 'string' || !/^\d+$/.test(key))
    return fail('a tensor has no storage');
  if (!dtype) return fail(`a tensor has numbers of the type ${named}, which is not supported`);
  const whole = (value: PickleValue | undefined): value is number[] =>
    Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
  if (!whole([offset ?? -1]) || !whole(shape) || !whole(strides) || shape.length !== strides.length)
    return fail('a tensor has no shape');
  return { dtype, shape, storage: key, offset: offset as number, strides };
}

/** Throws if a tensor reaches beyond its storage. */
function checkPlace(
  name: string,
  { dtype, shape, strides, storage, offset }: Place,
  bytes: number | undefined,
  fail: (why: string) => never,
): void {
  const last = shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
  const needed = sizeOf(shape) === 0 ? 0 : (last + 1) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (bytes === undefined) fail(`data/${storage} of ${name} is missing`);
  else if (needed > bytes)
    fail(`data/${storage} of ${name} has ${count(bytes, 'byte')}, but ${needed} are needed`);
}

/** Whether the numbers lie row by row. */
function isDense({ shape, strides }: Place): boolean {
  return strides.every((stride, axis) => stride === sizeOf(shape.slice(axis + 1)) || shape[axis] === 1);
}

function gathered(place: Place, bytes: Uint8Array): Tensor {
  const { dtype, shape, strides, offset } = place;
  const Numbers = ARRAYS[dtype];
  const isAligned = bytes.byteOffset % Numbers.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = isAligned ? bytes : bytes.slice();
  const all = new Numbers(
    buffer as ArrayBuffer,
    byteOffset,
    Math.floor(bytes.length / Numbers.BYTES_PER_ELEMENT),
  );
  const size = sizeOf(shape);
  // A tensor that fills its storage is not copied.
  if (isDense(place))
    return { dtype, shape, data: size === all.length ? all : all.slice(offset, offset + size) };
  const data = new Numbers(size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < size; to++) {
    data[to] = all[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return { dtype, shape, data };
}
