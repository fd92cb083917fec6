import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { diskError, moveFile } from '../store/atomic.ts';
import { withLock } from '../store/lock.ts';
import { removeFolder } from '../store/temporary.ts';
import { encoderFolder, findEncoder, type LocalEncoder } from './installed.ts';
import { type EncoderRecord, RECORD_FILE, recordText } from './record.ts';

/**
 * Installs an encoder in the home atomically. `fill` writes its files into a temporary folder, which is renamed when it is complete. After
 * an interruption the next run continues with the files in the temporary folder. Processes that install the same encoder wait for
 * one another, and the later ones use the installed encoder unless `replace` is set.
 */
export async function install(
  id: string,
  fill: (folder: string) => Promise<EncoderRecord>,
  { signal, replace = false }: { signal?: AbortSignal; replace?: boolean } = {},
): Promise<LocalEncoder> {
  const folder = encoderFolder(id);
  const beside = (ending: string) => join(dirname(folder), `.${basename(folder)}.${ending}`);
  const staging = beside('partial');
  return withLock(
    beside('lock'),
    async () => {
      const there = replace ? undefined : await findEncoder(id);
      if (there) return there;
      try {
        await mkdir(staging, { recursive: true });
        const record = await fill(staging);
        await removeOthers(staging, new Set(record.files.map(({ path }) => path)));
        await writeFile(join(staging, RECORD_FILE), recordText(record));
        await removeFolder(folder);
        await moveFile(staging, folder);
        return { record, folder };
      } catch (error) {
        throw diskError(error, staging);
      }
    },
    signal,
  );
}

/** Removes files of an earlier attempt that do not belong to the encoder. */
async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(relative(folder, path).split(sep).join('/'))) await rm(path);
  }
}
