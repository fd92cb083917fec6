import { inTurns } from '../abort.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { sizeOf, type Tensor } from '../math/tensor.ts';
import type { FileRows } from '../methods/file-rows.ts';
import { isPlain } from '../methods/task.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { type FileUse, fileIdentity, readRegular } from '../store/regular.ts';
import { type SafetensorsEntry, safetensorsPieces } from '../store/safetensors.ts';
import { openSafetensors, type SafetensorsFile } from '../store/safetensors-file.ts';
import { fileHash } from './content-hash.ts';
import { checkFormat, dataOf, decoding, refusal } from './decode.ts';
import { classifierContent, FEATURES, noteHash } from './file-bytes.ts';
import { rowCheck } from './row-check.ts';
import { fileRows } from './rows-from-file.ts';
import { type Refuse, type TensorReader, tensorReader } from './tensor-reader.ts';
import type { ClassifierData } from './types.ts';

/** Writes a classifier's file atomically. */
export async function writeClassifier(
  path: string,
  data: ClassifierData,
  signal?: AbortSignal,
): Promise<void> {
  const { tensors, metadata } = await inTurns(classifierContent(data), signal);
  await writeFileAtomic(path, safetensorsPieces(tensors, metadata), { signal });
}

/** Default of `FileOptions`: features with more numbers stay in the file, because they would take more than half a gigabyte of memory. */
const LARGEST_IN_MEMORY = 2 ** 27;

const CLASSIFIER: FileUse = {
  area: 'classifier',
  Failure: ModelError,
  hint: 'Give a file that tip-adapter fit wrote.',
};

/** Options of reading a classifier's file. */
export interface FileOptions {
  /** Largest count of feature numbers (rows times dimension) that is held in memory. Larger tensors are read page by page when needed. */
  largestInMemory?: number;
  signal?: AbortSignal;
}

/**
 * Reads a classifier's file. Throws `ModelError` if it is missing, damaged or not a classifier. Features above the limit of `FileOptions`
 * stay in the file if each example is one row. An example of several views has the mean of several rows as its key, which pages of rows
 * do not give.
 */
export async function readClassifier(
  path: string,
  { largestInMemory = LARGEST_IN_MEMORY, signal }: FileOptions = {},
): Promise<ClassifierData> {
  const file = await openSafetensors(path, CLASSIFIER).catch((cause: ModelError) => {
    if (cause.code.startsWith(CLASSIFIER.area)) throw cause;
    return refusal(path)(cause.message, cause);
  });
  try {
    const features = file.entries.get(FEATURES);
    if (features && sizeOf(features.shape) > largestInMemory) {
      const refuse = refusal(path);
      const text = checkFormat(file.metadata, path, refuse);
      const tensors = new Map<string, Tensor>();
      for (const name of file.entries.keys())
        if (name !== FEATURES) tensors.set(name, await file.tensor(name));
      const take = tensorReader(tensors, refuse);
      const rows = await rowsOf(path, file, features, take, refuse);
      const look = rowCheck({ ...rows.file, name: FEATURES });
      let wrong: string | undefined;
      const hash = await fileHash(file, text.classifier, FEATURES, (piece) => {
        throwIfAborted(signal);
        wrong ??= look(piece);
      });
      if (file.metadata.sha256 !== hash) refuse('its checksum does not match');
      if (wrong) refuse(wrong);
      const data = await inTurns(dataOf(take, tensors, text, path, rows), signal);
      noteHash(data, hash);
      if (isPlain(data.support)) return data;
    }
  } finally {
    await file.close();
  }
  return readClassifierBytes(await readRegular(path, CLASSIFIER, { signal }), path, signal);
}

/** The examples' features, left in the file. */
async function rowsOf(
  path: string,
  file: SafetensorsFile,
  features: SafetensorsEntry,
  take: TensorReader,
  refuse: Refuse,
): Promise<FileRows> {
  const { dtype, shape } = features;
  const [rows, cols, ...more] = shape;
  if (rows === undefined || cols === undefined || more.length > 0)
    return refuse(`tensor ${FEATURES} is [${shape.join(', ')}] instead of [any, any]`);
  const identity = fileIdentity(await file.stat());
  const place = { path, identity, offset: file.position(FEATURES), rows, cols };
  if (dtype === 'float16') return fileRows({ ...place, dtype });
  if (dtype !== 'int8') return refuse(`tensor ${FEATURES} is ${dtype} instead of float16 or int8`);
  return fileRows({ ...place, dtype, steps: take.steps(cols), scales: take.scales(rows) });
}

/** The classifier in a file's bytes, decoded as interruptible work, so that other requests are answered meanwhile. */
export function readClassifierBytes(
  bytes: Uint8Array,
  path: string,
  signal?: AbortSignal,
): Promise<ClassifierData> {
  return inTurns(decoding(bytes, path), signal);
}
