import { inTurns } from '../abort.ts';
import { rowCheck } from '../engine/keys/row-check.ts';
import type { KeyFile } from '../engine/keys/types.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { sizeOf } from '../math/tensor.ts';
import type { FileRows } from '../methods/file-rows.ts';
import { isPlain } from '../methods/task.ts';
import { HASH } from '../sha256.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { fileHash, hashesOf, PAGES, pagedHash } from '../store/content-hash.ts';
import { isIntact, pagesOf } from '../store/pages.ts';
import { type FileUse, fileIdentity, readRegular } from '../store/regular.ts';
import { type SafetensorsEntry, safetensorsPieces } from '../store/safetensors.ts';
import { openSafetensors, type SafetensorsFile } from '../store/safetensors-file.ts';
import { tensorBytes } from '../store/safetensors-header.ts';
import { fileBytes } from './bytes-from-file.ts';
import { checkFormat, dataOf, decodeClassifier, refusal } from './decode.ts';
import { classifierContent } from './file-bytes.ts';
import { FEATURES, noteHash } from './file-parts.ts';
import { fileRows } from './rows-from-file.ts';
import { type FileTensor, type Refuse, type TensorReader, tensorReader } from './tensor-reader.ts';
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
      const identity = fileIdentity(await file.stat());
      const pages = text.paged ? await storedHashes(file, text.classifier, refuse) : undefined;
      const tensors = await tensorsBeside(path, file, identity, pages, refuse);
      const take = tensorReader(tensors, refuse);
      const place = { path, identity, name: FEATURES, offset: file.position(FEATURES) };
      const rows = rowsOf({ ...place, hashes: pages?.get(FEATURES) }, features, take, refuse);
      if (!pages) await verifyWhole(file, text.classifier, rows, refuse, signal);
      const data = await inTurns(dataOf(take, tensors, text, path, rows), signal);
      noteHash(data, file.metadata.sha256!);
      if (isPlain(data.support)) return data;
    }
  } finally {
    await file.close();
  }
  return decodeClassifier(await readRegular(path, CLASSIFIER, { signal }), path, signal);
}

/** Verifies all bytes of a file whose pages have no hashes. */
async function verifyWhole(
  file: SafetensorsFile,
  classifier: string,
  rows: FileRows,
  refuse: Refuse,
  signal?: AbortSignal,
): Promise<void> {
  const look = rowCheck(rows.file);
  let wrong: string | undefined;
  const hash = await fileHash(file, classifier, FEATURES, (piece) => {
    throwIfAborted(signal);
    wrong ??= look(piece);
  });
  if (file.metadata.sha256 !== hash) refuse('its checksum does not match');
  if (wrong) refuse(wrong);
}

/** The hashes of each tensor's pages, which are verified, so that each page can be. */
async function storedHashes(
  file: SafetensorsFile,
  classifier: string,
  refuse: Refuse,
): Promise<Map<string, Uint8Array>> {
  const entries = [...file.entries].filter(([name]) => name !== PAGES);
  if (!file.entries.has(PAGES)) refuse(`tensor ${PAGES} is missing`);
  const { dtype, shape, data } = await file.tensor(PAGES);
  const count = entries.reduce((sum, [, entry]) => sum + pagesOf(entry).count, 0);
  const hashes = data as Uint8Array;
  if (dtype !== 'uint8' || shape.join() !== `${count},${HASH}`)
    refuse(`tensor ${PAGES} is ${dtype} [${shape.join(', ')}] instead of uint8 [${count}, ${HASH}]`);
  if (file.metadata.sha256 !== pagedHash(entries, classifier, hashes)) refuse('its checksum does not match');
  return hashesOf(entries, hashes);
}

/** Tensors that stay in the file if their pages have hashes: many classifiers never need them. */
const LEFT: readonly string[] = ['examples.sha256', 'thumbnails'];

/** All tensors but the features. Those that are read are verified. */
async function tensorsBeside(
  path: string,
  file: SafetensorsFile,
  identity: string,
  pages: ReadonlyMap<string, Uint8Array> | undefined,
  refuse: Refuse,
): Promise<Map<string, FileTensor>> {
  const tensors = new Map<string, FileTensor>();
  for (const [name, entry] of file.entries) {
    const hashes = pages?.get(name);
    if (name === FEATURES || (pages && name === PAGES)) continue;
    const { bytes: pageBytes } = pagesOf(entry);
    if (hashes && LEFT.includes(name)) {
      const place = { path, identity, offset: file.position(name), length: sizeOf(entry.shape) };
      tensors.set(name, { ...entry, data: fileBytes({ ...place, pageBytes, hashes }) });
      continue;
    }
    const tensor = await file.tensor(name);
    const bytes = tensorBytes(tensor);
    for (let page = 0; hashes && page * pageBytes < bytes.length; page++)
      if (!isIntact(bytes.subarray(page * pageBytes, (page + 1) * pageBytes), hashes, page))
        refuse('its checksum does not match');
    tensors.set(name, tensor);
  }
  return tensors;
}

/** The examples' features, left in the file. */
function rowsOf(
  place: Pick<KeyFile, 'path' | 'identity' | 'name' | 'offset' | 'hashes'>,
  features: SafetensorsEntry,
  take: TensorReader,
  refuse: Refuse,
): FileRows {
  const { dtype, shape } = features;
  const [rows, cols, ...more] = shape;
  if (rows === undefined || cols === undefined || more.length > 0)
    return refuse(`tensor ${FEATURES} is [${shape.join(', ')}] instead of [any, any]`);
  if (dtype === 'float16') return fileRows({ ...place, rows, cols, dtype });
  if (dtype !== 'int8') return refuse(`tensor ${FEATURES} is ${dtype} instead of float16 or int8`);
  return fileRows({ ...place, rows, cols, dtype, steps: take.steps(cols), scales: take.scales(rows) });
}
