import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { diskError, moveFile } from '../store/atomic.ts';
import { withLock } from '../store/lock.ts';
import { removeFolder } from '../store/temporary.ts';
import { encoderFolder, findEncoder, type LocalEncoder } from './installed.ts';
import { type EncoderRecord, RECORD_FILE } from './record.ts';

/**
 * Brings an encoder into the home whole or not at all: `fill` puts its files into a folder beside the final one, which gets
 * its name only when everything is there. What a broken run left is still in that folder the next time. Processes that want
 * the same encoder wait for one another, and the later ones find it there; `replace` fills it anew all the same.
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
        await writeFile(join(staging, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
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

/** Removes what an earlier, different attempt left. */
async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(relative(folder, path).split(sep).join('/'))) await rm(path);
  }
}
