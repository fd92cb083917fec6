import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Prediction } from '../classifier/types.ts';
import type { ClassInfo } from '../dataset/types.ts';
import { throwIfAborted } from '../errors.ts';
import { copyWithoutOverwriting } from '../store/atomic.ts';
import { PICTURE, readRegular, unlessMissing } from '../store/regular.ts';
import { nameGiver } from '../store/safe-names.ts';

/** The folder for pictures with the answer "none of these". */
const UNSURE = 'unsure';

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
  predictions: readonly Prediction[],
  classes: readonly ClassInfo[],
  output: string,
  signal: AbortSignal,
): Promise<{ copied: Map<string, number>; known: number }> {
  const names = folderNames(classes);
  const shelves = new Map<string, Shelf>();
  const copied = new Map<string, number>();
  let known = 0;
  for (const { image, id, rejected } of predictions) {
    throwIfAborted(signal);
    const name = rejected ? UNSURE : (names.get(id) as string);
    const shelf = shelves.get(name) ?? (await openShelf(join(output, name)));
    shelves.set(name, shelf);
    if (await shelf.put(image)) copied.set(name, (copied.get(name) ?? 0) + 1);
    else known++;
  }
  return { copied, known };
}

/** A folder that receives copies of pictures that it does not have. */
interface Shelf {
  /** Copies a picture. Returns false if the folder already has a file with the same bytes. */
  put(image: string): Promise<boolean>;
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
    async put(image) {
      const alike = bySize.get((await stat(image)).size) ?? [];
      const bytes = alike.length > 0 ? await readRegular(image, PICTURE) : undefined;
      for (const path of alike) if (bytes?.equals(await readRegular(path, PICTURE))) return false;
      await register(await copyWithoutOverwriting(image, folder, basename(image)));
      return true;
    },
  };
}
