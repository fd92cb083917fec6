import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../store/atomic.ts';
import { checkFile } from '../store/checksum.ts';
import type { LocalEncoder } from './installed.ts';

/** Which files of an encoder's folder had the right sha256, by size and time of their last change. */
const STAMP_FILE = '.verified.json';

/**
 * Compares the files of an encoder on disk with its record. A file is hashed once and then known again by its size and the times of
 * its last changes. Throws `ModelError` naming a file that is another one: its features would be those of another encoder.
 */
export async function verifyFiles(
  { record, folder }: LocalEncoder,
  check: typeof checkFile = checkFile,
): Promise<void> {
  const path = join(folder, STAMP_FILE);
  const known = await readFile(path, 'utf8').then(parsed, () => ({}) as Record<string, unknown>);
  const stamps: Record<string, string> = {};
  let isNew = false;
  for (const { path: name, bytes, sha256 } of record.files) {
    const file = join(folder, name);
    const { size, mtimeMs, ctimeMs } = await stat(file).catch(() => ({ size: -1, mtimeMs: 0, ctimeMs: 0 }));
    const stamp = `${sha256} ${size} ${mtimeMs} ${ctimeMs}`;
    if (known[name] !== stamp) {
      await check(file, { size: bytes, sha256 });
      isNew = true;
    }
    stamps[name] = stamp;
  }
  // A folder that cannot be written only means that its files are hashed again.
  if (isNew) await writeFileAtomic(path, JSON.stringify(stamps)).catch(() => {});
}

function parsed(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
