import { EMPTY_BOARD } from '../../board.ts';
import { projectZip } from '../../project.ts';
import type { StoredFolder } from './storage.ts';
import { PICTURES, storedPictures } from './stored-pictures.ts';

/** Endings of names, by the first bytes of a file in hexadecimal digits. */
const ENDINGS: readonly (readonly [first: RegExp, ending: string])[] = [
  [/^ffd8ff/, '.jpg'],
  [/^89504e47/, '.png'],
  [/^47494638/, '.gif'],
  [/^52494646.{8}57454250/, '.webp'],
  [/^.{8}6674797061766966/, '.avif'],
];
const FIRST_BYTES = 12;

/** All pictures in a project's folder as a zip, also if its journal is damaged. Nothing else is known of them then. */
export async function rescuedZip(folder: StoredFolder): Promise<AsyncIterable<Uint8Array>> {
  const pictures = storedPictures(folder, () => true);
  const found = new Map<string, { hash: string; name: string }>();
  for (const hash of await folder.folder(PICTURES).names()) {
    const first = new Uint8Array(await (await pictures.file(hash)).slice(0, FIRST_BYTES).arrayBuffer());
    const digits = Array.from(first, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const [, ending = ''] = ENDINGS.find(([known]) => known.test(digits)) ?? [];
    found.set(hash, { hash, name: `picture ${found.size + 1}${ending}` });
  }
  return projectZip({ ...EMPTY_BOARD, pictures: found }, pictures);
}
