import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, UsageError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { checkFile } from '../store/checksum.ts';
import { install } from './install.ts';
import { findEncoder, type LocalEncoder, notInstalled } from './local.ts';
import { type EncoderRecord, parseRecord, RECORD_FILE } from './record.ts';
import { entryBytes, notABundle, readZipDirectory, type ZipEntry, zipFiles } from './zip.ts';

/** Where things lie inside a bundle. */
const ENCODER = 'encoder/';
const CLASSIFIER = 'classifier/';

/** Zip's own limit for a file without its 64-bit extension. */
const LARGEST = 0xffff_fffe;

/**
 * Writes one zip file that carries an encoder of the home, and a classifier's file if given, to a machine without a network.
 * Returns its bytes. Throws `UsageError` where the encoder is not on this machine or the bundle would exceed 4 GB.
 */
export async function bundleEncoder(
  name: string,
  path: string,
  { classifier, signal }: { classifier?: string; signal?: AbortSignal } = {},
): Promise<number> {
  const local = await findEncoder(name);
  if (!local) throw notInstalled(name);
  const { record, folder } = local;
  const files = [RECORD_FILE, ...record.files.map((file) => file.path)].map((file) => ({
    path: ENCODER + file,
    source: join(folder, file),
  }));
  if (classifier) files.push({ path: CLASSIFIER + basename(classifier), source: classifier });
  const sizes = await Promise.all(files.map(async ({ source }) => (await stat(source)).size));
  if (sizes.reduce((total, size) => total + size, 0) > LARGEST) {
    throw new UsageError(`${name} is too large for a bundle (4 GB)`, {
      code: 'encoder/bundle-size',
      hint: `Copy the folder ${folder} instead, and give its path as the encoder.`,
      details: { name, folder },
    });
  }
  await writeFileAtomic(path, zipFiles(files, signal));
  return (await stat(path)).size;
}

/** What came out of a bundle. */
export interface Unbundled extends LocalEncoder {
  /** Path of the classifier's file, where the bundle carried one. */
  readonly classifier?: string;
}

/**
 * Installs the encoder of a bundle, every file checked against the hashes in its record, and puts a classifier that came
 * with it into `folder` (default: beside the bundle). `id` renames the encoder. Throws `ModelError` where the bundle is
 * damaged (then nothing changes), `DataError` where another file has the classifier's place.
 */
export async function unbundle(
  path: string,
  { folder = dirname(path), id, signal }: { folder?: string; id?: string; signal?: AbortSignal } = {},
): Promise<Unbundled> {
  const entries = new Map((await readZipDirectory(path)).map((entry) => [entry.path, entry]));
  const carriedRecord = await recordIn(path, entries);
  const record = { ...carriedRecord, id: id ?? carriedRecord.id };
  const local = await install(record.id, (staging) => extract(path, entries, record, staging, signal), {
    signal,
    replace: true,
  });
  const carried = [...entries.values()].find((entry) => entry.path.startsWith(CLASSIFIER));
  if (!carried) return local;
  const classifier = join(folder, basename(carried.path));
  await place(path, carried, classifier, signal);
  return { ...local, classifier };
}

/** Writes an entry to a path where nothing is yet, or the same already. */
async function place(path: string, entry: ZipEntry, target: string, signal?: AbortSignal): Promise<void> {
  if (!(await stat(target).catch(() => undefined))) {
    return writeFileAtomic(target, entryBytes(path, entry, signal));
  }
  const hash = createHash('sha256');
  for await (const chunk of entryBytes(path, entry, signal)) hash.update(chunk);
  const { sha256 } = await checkFile(target, {}, signal);
  if (sha256 === hash.digest('hex')) return;
  throw new DataError(`${target} exists already and differs from the file in ${path}`, {
    code: 'encoder/bundle-target',
    hint: 'Move the file away, or put the bundle into another folder.',
    details: { path: target },
  });
}

type Entries = ReadonlyMap<string, ZipEntry>;

/** Longest record believed. */
const RECORD_LIMIT = 1 << 20;

async function recordIn(path: string, entries: Entries): Promise<EncoderRecord> {
  const entry = entries.get(ENCODER + RECORD_FILE);
  if (!entry || entry.bytes > RECORD_LIMIT) throw notABundle(path, `it has no ${ENCODER}${RECORD_FILE}`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of entryBytes(path, entry)) chunks.push(chunk);
  return parseRecord(Buffer.concat(chunks).toString('utf8'), path);
}

async function extract(
  path: string,
  entries: Entries,
  record: EncoderRecord,
  staging: string,
  signal?: AbortSignal,
): Promise<EncoderRecord> {
  for (const { path: file, bytes, sha256 } of record.files) {
    const entry = entries.get(ENCODER + file);
    if (entry?.bytes !== bytes) throw notABundle(path, `${file} is missing or has another size`);
    const target = join(staging, file);
    await writeFileAtomic(target, entryBytes(path, entry, signal));
    await checkFile(target, { size: bytes, sha256 }, signal);
  }
  return record;
}
