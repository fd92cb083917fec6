import { basename, join } from 'node:path';
import type { Prediction } from '../classifier/types.ts';
import type { ClassInfo } from '../dataset/types.ts';
import { throwIfAborted } from '../errors.ts';

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

/** Copies each picture into the folder of its class; returns how many went into each. Nothing is overwritten. */
export async function copyByClass(
  predictions: readonly Prediction[],
  classes: readonly ClassInfo[],
  output: string,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const { copyWithoutOverwriting } = await import('../store/atomic.ts');
  const folders = folderNames(classes);
  const counts = new Map<string, number>();
  for (const { image, id, rejected } of predictions) {
    throwIfAborted(signal);
    const folder = rejected ? UNSURE : (folders.get(id) as string);
    await copyWithoutOverwriting(image, join(output, folder), basename(image));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return counts;
}
