import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, ModelError, TipAdapterError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { checkFile } from '../store/checksum.ts';
import { checkRegular, type FileUse } from '../store/regular.ts';
import { openZip, type Zip } from '../store/zip.ts';
import { MOST_ZIP_BYTES } from '../store/zip-writer.ts';
import { install } from './install.ts';
import type { LocalEncoder } from './installed.ts';
import { type EncoderRecord, parseRecord, RECORD_FILE } from './record.ts';

/** Folders inside a bundle. */
export const ENCODER = 'encoder/';
export const CLASSIFIER = 'classifier/';

export const BUNDLE: FileUse = { area: 'bundle', Failure: ModelError };

/** The contents of a bundle, installed. */
export interface Unbundled extends LocalEncoder {
  /** Path of the classifier's file, if the bundle has one. */
  readonly classifier?: string;
}

/**
 * Installs the encoder of a bundle after checking every file against the hashes in its record, and copies the bundle's classifier into
 * `folder` (default: the bundle's folder). `id` renames the encoder. Throws `ModelError` if the bundle is damaged (nothing is installed
 * then), and `DataError` if a different file has the classifier's path.
 */
export async function unbundle(
  path: string,
  { folder = dirname(path), id, signal }: { folder?: string; id?: string; signal?: AbortSignal } = {},
): Promise<Unbundled> {
  await checkRegular(path, BUNDLE);
  return asBundle(path, async () => {
    const zip = await openZip(path, { mostEntryBytes: MOST_ZIP_BYTES });
    const carriedRecord = await recordIn(path, zip);
    const record = { ...carriedRecord, id: id ?? carriedRecord.id };
    const local = await install(record.id, (staging) => extract(path, zip, record, staging, signal), {
      signal,
      replace: true,
    });
    const carried = zip.entries.find(({ name }) => name.startsWith(CLASSIFIER));
    if (!carried) return local;
    const classifier = join(folder, basename(carried.name));
    await place(path, zip, carried.name, classifier, signal);
    return { ...local, classifier };
  });
}

/** Reports errors about the zip as errors about the bundle. */
async function asBundle<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TipAdapterError) || !error.code.startsWith('zip/')) throw error;
    throw notABundle(path, error.message, error);
  }
}

/** Writes an entry to a path that does not exist or already holds the same bytes. */
async function place(
  path: string,
  zip: Zip,
  name: string,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  if (!(await stat(target).catch(() => undefined))) return writeFileAtomic(target, zip.chunks(name, signal));
  const hash = createHash('sha256');
  for await (const chunk of zip.chunks(name, signal)) hash.update(chunk);
  const { sha256 } = await checkFile(target, {}, signal);
  if (sha256 === hash.digest('hex')) return;
  throw new DataError(`${target} exists already and differs from the file in ${path}`, {
    code: 'encoder/bundle-target',
    hint: 'Move the file away, or put the bundle into another folder.',
    details: { path: target },
  });
}

/** Largest accepted size of a record, in bytes. */
const RECORD_LIMIT = 1 << 20;

async function recordIn(path: string, zip: Zip): Promise<EncoderRecord> {
  const name = ENCODER + RECORD_FILE;
  const size = zip.entries.find((entry) => entry.name === name)?.size ?? Number.POSITIVE_INFINITY;
  if (size > RECORD_LIMIT) throw notABundle(path, `it has no ${name}`);
  return parseRecord(Buffer.from(await zip.read(name)).toString('utf8'), path);
}

async function extract(
  path: string,
  zip: Zip,
  record: EncoderRecord,
  staging: string,
  signal?: AbortSignal,
): Promise<EncoderRecord> {
  const sizes = new Map(zip.entries.map(({ name, size }) => [name, size]));
  for (const { path: file, bytes, sha256 } of record.files) {
    if (sizes.get(ENCODER + file) !== bytes) throw notABundle(path, `${file} is missing or has another size`);
    const target = join(staging, file);
    await writeFileAtomic(target, zip.chunks(ENCODER + file, signal));
    await checkFile(target, { size: bytes, sha256 }, signal);
  }
  return record;
}

/** The error for a file that `bundleEncoder` did not write. */
function notABundle(path: string, why: string, cause?: unknown): ModelError {
  return new ModelError(`${path} is not a bundle of an encoder: ${why}`, {
    code: 'encoder/bundle',
    hint: 'Make a bundle with: tip-adapter encoders bundle <name> <file>',
    details: { path },
    cause,
  });
}
