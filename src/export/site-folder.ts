import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RecordedFile } from '../encoder/record.ts';
import { throwIfAborted, UsageError } from '../errors.ts';
import { sha256 } from '../sha256.ts';
import { diskError } from '../store/atomic.ts';
import { inTemporaryFolder } from '../store/temporary.ts';

/** A file of an exported site: its path in the folder, and its size in bytes. */
export interface SiteFile {
  readonly path: string;
  readonly bytes: number;
}

/** Writes a file of a site. Returns its path, size and hash. */
export type WriteFile = (path: string, content: Uint8Array | string) => Promise<RecordedFile>;

/** Writes a site's folder as a whole, in place of an existing one. `fill` writes its files into a staging folder. */
export async function writeFolder<T>(
  folder: string,
  signal: AbortSignal | undefined,
  fill: (write: WriteFile, staging: string) => Promise<T>,
): Promise<{ files: SiteFile[]; made: T }> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    return await inTemporaryFolder(async (temporary) => {
      const staging = join(temporary, 'site');
      const files: SiteFile[] = [];
      const made = await fill(async (path, content) => {
        throwIfAborted(signal);
        const bytes = typeof content === 'string' ? Buffer.from(content) : content;
        const target = join(staging, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, bytes);
        files.push({ path, bytes: bytes.length });
        return { path, bytes: bytes.length, sha256: sha256(bytes) };
      }, staging);
      await rename(folder, join(temporary, 'before')).catch((error) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await rename(staging, folder);
      return { files, made };
    }, dirname(folder));
  } catch (error) {
    throw diskError(error, folder);
  }
}

/**
 * Refuses everything but an empty folder and a site without further files, because writing a site removes what is there. `own` are the names
 * at the top of a site. The first one marks it.
 */
export async function checkTarget(folder: string, own: readonly string[]): Promise<void> {
  const there = await readdir(folder).catch((error): string[] => {
    if (error.code === 'ENOENT') return [];
    throw diskError(error, folder);
  });
  if (there.length === 0 || (there.includes(own[0]!) && there.every((name) => own.includes(name)))) return;
  throw new UsageError(`${folder} has other files, and a site replaces its whole folder`, {
    code: 'export/site-folder',
    hint: 'Give a new folder.',
    details: { folder },
  });
}
