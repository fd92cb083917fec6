import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { ModelError } from '../errors.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { checkFile } from '../store/checksum.ts';
import { readRegularText } from '../store/regular.ts';
import { externalFiles } from './external-data.ts';
import type { LocalEncoder } from './installed.ts';
import { modelsOf } from './record.ts';

/** The file with the verified files of an encoder's folder, by size and times of the last change. */
const STAMP_FILE = '.verified.json';

/**
 * Compares the files of an encoder on disk with its record. A file is hashed once and later recognised by its size and the times of its
 * last change. Throws `ModelError` that names a file that differs, because its features would be those of another encoder.
 */
export async function verifyFiles(
  { record, folder }: LocalEncoder,
  { signal, check = checkFile }: Abortable & { check?: typeof checkFile } = {},
): Promise<void> {
  const path = join(folder, STAMP_FILE);
  const known = await readRegularText(path, { area: 'encoder' }).then(
    parsed,
    () => ({}) as Record<string, unknown>,
  );
  const stamps: Record<string, string> = {};
  let isNew = false;
  for (const { path: name, bytes, sha256 } of record.files) {
    const file = join(folder, name);
    const { size, mtimeMs, ctimeMs } = await stat(file).catch(() => ({ size: -1, mtimeMs: 0, ctimeMs: 0 }));
    const stamp = `${sha256} ${size} ${mtimeMs} ${ctimeMs}`;
    if (known[name] !== stamp) {
      await check(file, { size: bytes, sha256 }, signal);
      isNew = true;
    }
    stamps[name] = stamp;
  }
  if (isNew && record.kind !== 'resnet50-minilm') await checkExternal({ record, folder });
  // If the folder cannot be written, its files are hashed again next time.
  if (isNew) await writeFileAtomic(path, JSON.stringify(stamps)).catch(() => {});
}

/** Throws `ModelError` if the record does not list a file with external weights. */
async function checkExternal({ record, folder }: LocalEncoder): Promise<void> {
  const known = new Set(record.files.map(({ path }) => path));
  const external = await externalFiles(folder, modelsOf(record));
  const unknown = external.find((path) => !known.has(path));
  if (unknown === undefined) return;
  throw new ModelError(
    `The record of ${record.id} does not name ${unknown}, in which its models keep weights`,
    {
      code: 'encoder/external-data',
      hint: 'Remove the encoder and pull it again, or give the path of its folder as the encoder.',
      details: { id: record.id, path: unknown },
    },
  );
}

function parsed(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
