import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { throwIfAborted, UsageError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { openRegular, readUpTo } from '../store/regular.ts';
import { MOST_ZIP_BYTES, type ZipFile, zipped } from '../store/zip-writer.ts';
import { BUNDLE, CLASSIFIER, ENCODER } from './bundle.ts';
import { locateEncoder } from './load.ts';
import { withoutSuffix } from './pre-projection.ts';
import { RECORD_FILE, recordText } from './record.ts';

/**
 * Writes one zip file with an encoder and, if given, a classifier's file, for a machine without a network. `name` is that of an installed
 * encoder or the path of a folder; the other machine has the encoder under the same name, for a folder its absolute path. Returns the size in
 * bytes. Throws `ModelError` if the encoder is not on this machine, and `UsageError` for an unknown name, for joined encoders, and if the
 * bundle would exceed 4 GB.
 */
export async function bundleEncoder(
  name: string,
  path: string,
  { classifier, signal }: Abortable & { readonly classifier?: string } = {},
): Promise<number> {
  const { record, folder } = await locateEncoder(withoutSuffix(name) ?? name, { pull: false, signal });
  const sources = record.files.map((file) => ({
    path: ENCODER + file.path,
    source: join(folder, file.path),
  }));
  if (classifier) sources.push({ path: CLASSIFIER + basename(classifier), source: classifier });
  const sizes = await Promise.all(sources.map(async ({ source }) => (await stat(source)).size));
  if (sizes.reduce((total, size) => total + size, 0) > MOST_ZIP_BYTES) {
    throw new UsageError(`${name} is too large for a bundle (4 GB)`, {
      code: 'encoder/bundle-size',
      hint: `Copy the folder ${folder} instead, and give its path as the encoder.`,
      details: { name, folder },
    });
  }
  const files = sources.map(
    ({ path: inZip, source }): ZipFile => ({ name: inZip, chunks: piecesOf(source, signal) }),
  );
  const described = { name: ENCODER + RECORD_FILE, chunks: [Buffer.from(recordText(record))] };
  await writeFileAtomic(path, zipped([described, ...files]));
  return (await stat(path)).size;
}

async function* piecesOf(source: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { file, stats } = await openRegular(source, BUNDLE);
  for await (const chunk of readUpTo(file, stats.size)) {
    throwIfAborted(signal);
    yield chunk;
  }
}
