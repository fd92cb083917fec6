import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UNSURE } from '../dataset/names.ts';
import type { ClassInfo } from '../dataset/types.ts';
import { throwIfAborted } from '../errors.ts';
import { copyWithoutOverwriting } from '../store/atomic.ts';
import { PICTURE, readRegular, unlessMissing } from '../store/regular.ts';
import { nameGiver } from '../store/safe-names.ts';
import { idOf, type Picture } from './images.ts';

/** A folder name for each class id, from its shown name. */
function folderNames(classes: readonly Pick<ClassInfo, 'id' | 'name'>[]): Map<string, string> {
  const give = nameGiver([UNSURE]);
  return new Map(classes.map(({ id, name }) => [id, give(name)]));
}

/**
 * Copies each picture into the folder of its class. Returns the number of copies in each folder. Nothing is overwritten, and a picture
 * that is already in its folder under any name is not copied again, so that sorting can be interrupted and repeated.
 */
export async function copyByClass(
  answers: readonly { picture: Picture; id: string; rejected: boolean }[],
  classes: readonly ClassInfo[],
  output: string,
  signal: AbortSignal,
): Promise<{ copied: Map<string, number>; known: number }> {
  const names = folderNames(classes);
  const shelves = new Map<string, Shelf>();
  const copied = new Map<string, number>();
  let known = 0;
  for (const { picture, id, rejected } of answers) {
    throwIfAborted(signal);
    const name = rejected ? UNSURE : (names.get(id) as string);
    const shelf = shelves.get(name) ?? (await openShelf(join(output, name)));
    shelves.set(name, shelf);
    if (await shelf.put(picture)) copied.set(name, (copied.get(name) ?? 0) + 1);
    else known++;
  }
  return { copied, known };
}

/** A folder that receives copies of pictures that it does not have. */
interface Shelf {
  /** Copies a picture. Returns false if the folder already has a file with the same bytes. */
  put(picture: Picture): Promise<boolean>;
}

async function openShelf(folder: string): Promise<Shelf> {
  const bySize = new Map<number, string[]>();
  const register = async (path: string) => {
    const { size } = await stat(path);
    bySize.set(size, [...(bySize.get(size) ?? []), path]);
  };
  const entries = (await readdir(folder, { withFileTypes: true }).catch(unlessMissing)) ?? [];
  for (const entry of entries) if (entry.isFile()) await register(join(folder, entry.name));
  return {
    async put(picture) {
      const packed = typeof picture === 'string' ? undefined : await picture.read();
      const name = idOf(picture);
      const alike = bySize.get(packed?.length ?? (await stat(name)).size) ?? [];
      const bytes = packed ?? (alike.length > 0 ? await readRegular(name, PICTURE) : undefined);
      for (const path of alike) if (bytes && (await readRegular(path, PICTURE)).equals(bytes)) return false;
      await register(await copyWithoutOverwriting(packed ?? name, folder, basename(name)));
      return true;
    },
  };
}
