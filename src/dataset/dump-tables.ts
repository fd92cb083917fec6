import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, inTurns, type Pieces } from '../abort.ts';
import { DataError } from '../errors.ts';
import { fromHalf } from '../math/half.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import { converted, PIECE } from '../math/pieces.ts';
import type { Tensor } from '../math/tensor.ts';
import { parseNpy } from '../store/npy.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore, pathIn } from '../store/open-store.ts';
import { readRegular } from '../store/regular.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { isStoreAddress } from '../store/store-address.ts';

/** A table of features with its labels. */
export interface DumpTable {
  readonly features: Matrix;
  readonly labels?: Int32Array;
  readonly path: string;
}

/** The tables of a dump by name, from either kind of file. */
export interface DumpTables {
  readonly names: readonly string[];
  /** Throws `DataError` if the file is missing, holds no table, or holds NaN or infinity. */
  read(name: string, work?: Abortable): Promise<DumpTable | undefined>;
}

/**
 * Opens a folder or the address of a store with files `<table>.npy` (labels in `listed`, or in `<table>.labels.npy`) and
 * `<table>.safetensors`. `check` gets the bytes of each file before they are used.
 */
export async function openTables(
  folder: string,
  listed: ReadonlyMap<string, { readonly labels?: readonly number[] }>,
  check: (bytes: Uint8Array, file: string) => void = () => {},
): Promise<DumpTables> {
  const store = isStoreAddress(folder) ? openStore(folder) : undefined;
  const names = store ? await keysAtTop(store) : await readdir(folder);
  const there = names.filter((file) => /\.(npy|safetensors)$/.test(file));
  const files = [...new Set([...there, ...listed.keys()])].filter((file) => !/\.labels\.npy$/.test(file));
  const byName = new Map(files.map((file) => [file.replace(/\.(npy|safetensors)$/, ''), file]));
  const bytesOf = async (file: string, signal?: AbortSignal) => {
    const bytes = await (store
      ? store.read(file, { signal })
      : readRegular(join(folder, file), {
          area: 'dump',
          hint: 'info.json names this file. Add it to the folder.',
        }));
    check(bytes, file);
    return bytes;
  };
  return {
    names: [...byName.keys()],
    async read(name, { signal } = {}) {
      const file = byName.get(name);
      if (file === undefined) return undefined;
      const path = pathIn(folder, file);
      const bytes = await bytesOf(file, signal);
      if (file.endsWith('.safetensors')) {
        const { tensors } = parseSafetensors(bytes, path);
        const features = tensors.get('features');
        if (!features) {
          throw new DataError(`${path} has no tensor "features" (it has ${[...tensors.keys()].join(', ')})`, {
            code: 'dump/tensors',
            hint: 'The file needs the tensors features [n, d] and labels [n].',
          });
        }
        const labels = tensors.get('labels');
        const own = labels && integersOf(labels, path);
        return { features: await inTurns(matrixOf(features, path), signal), labels: own, path };
      }
      const features = await inTurns(matrixOf(parseNpy(bytes, path), path), signal);
      const given = listed.get(file)?.labels;
      const beside = `${name}.labels.npy`;
      if (given || !there.includes(beside)) {
        return { features, labels: given && Int32Array.from(given), path };
      }
      const labelPath = pathIn(folder, beside);
      const labels = integersOf(parseNpy(await bytesOf(beside, signal), labelPath), labelPath);
      return { features, labels, path };
    },
  };
}

async function keysAtTop(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) if (!key.includes('/')) keys.push(key);
  return keys;
}

function* matrixOf({ dtype, shape, data }: Tensor, path: string): Pieces<Matrix> {
  const [rows, cols] = shape;
  if (rows === undefined || cols === undefined || shape.length !== 2)
    throw new DataError(`${path} is not a table of rows`, { code: 'dump/shape' });
  if (!['float16', 'float32', 'float64'].includes(dtype)) {
    throw new DataError(`${path} holds ${dtype}, and features must be float16, float32 or float64`, {
      code: 'dump/type',
    });
  }
  const convert = dtype === 'float16' ? fromHalf : (part: Float32Array) => part;
  const values = yield* converted(
    data as Float32Array,
    new Float32Array(data.length),
    convert as (part: Float32Array) => Float32Array,
  );
  let bad = 0;
  while (Number.isFinite(values[bad])) if (++bad % PIECE === 0) yield;
  if (bad < values.length) {
    throw new DataError(`${path}: row ${Math.floor(bad / cols)} holds ${values[bad]}`, {
      code: 'dump/not-finite',
      hint: 'Embed the picture again, or leave out the row. Numbers of float64 beyond 3.4e38 are too large for single precision.',
    });
  }
  return matrix(rows, cols, values);
}

/** Labels, from any integer type. */
function integersOf({ dtype, shape, data }: Tensor, path: string): Int32Array {
  if (shape.length !== 1 || !['int32', 'int64', 'uint8', 'int8'].includes(dtype)) {
    throw new DataError(
      `${path} has labels of ${dtype} [${shape.join(', ')}] instead of a list of integers`,
      {
        code: 'dump/labels',
      },
    );
  }
  return Int32Array.from(data as ArrayLike<number | bigint>, Number);
}
