import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Prediction } from '../classifier/types.ts';
import type { ClassInfo } from '../dataset/types.ts';
import { throwIfAborted } from '../errors.ts';
import { copyWithoutOverwriting } from '../store/atomic.ts';

/** Where pictures go that the classifier takes for none of its classes. */
const UNSURE = 'unsure';

/** Names that Windows keeps for devices. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * A folder name for each class id, made of its shown name: safe on every system, and no two alike, also where upper and
 * lower case are one.
 */
export function folderNames(classes: readonly Pick<ClassInfo, 'id' | 'name'>[]): Map<string, string> {
  const taken = new Set([UNSURE]);
  return new Map(
    classes.map(({ id, name }) => {
      const safe = safeName(name);
      let folder = safe;
      for (let n = 2; taken.has(folder.toLowerCase()); n++) folder = `${safe} (${n})`;
      taken.add(folder.toLowerCase());
      return [id, folder];
    }),
  );
}

function safeName(name: string): string {
  const plain = name
    .normalize('NFC')
    .replace(/[<>:"/\\|?*\p{Cc}]+/gu, '_')
    .replace(/^[\s.]+|[\s.]+$/g, '');
  const short = shorten(plain, 200);
  return short === '' || RESERVED.test(short) ? `_${short}` : short;
}

/** Whole characters up to a number of bytes: file systems count bytes. */
function shorten(text: string, most: number): string {
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > most) break;
    kept += character;
  }
  return kept.trimEnd();
}

/**
 * Copies each picture into the folder of its class; returns how many went into each. Nothing is overwritten, and a picture
 * that is in its folder already, under whatever name, is not copied again: sorting can be stopped and repeated.
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

/** A folder that takes copies of pictures it does not have. */
interface Shelf {
  /** False where the same bytes are there already. */
  put(image: string): Promise<boolean>;
}

async function openShelf(folder: string): Promise<Shelf> {
  const bySize = new Map<number, string[]>();
  const register = async (path: string) => {
    const { size } = await stat(path);
    bySize.set(size, [...(bySize.get(size) ?? []), path]);
  };
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isFile()) await register(join(folder, entry.name));
  return {
    async put(image) {
      const alike = bySize.get((await stat(image)).size) ?? [];
      const bytes = alike.length > 0 ? await readFile(image) : undefined;
      for (const path of alike) if (bytes?.equals(await readFile(path))) return false;
      await register(await copyWithoutOverwriting(image, folder, basename(image)));
      return true;
    },
  };
}
