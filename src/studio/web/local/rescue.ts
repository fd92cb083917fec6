import { signatureOf } from '../../../image/signature.ts';
import { EMPTY_BOARD } from '../../board.ts';
import { projectZip } from '../../project.ts';
import type { StoredFolder } from './storage.ts';
import { PICTURES, storedPictures } from './stored-pictures.ts';

/** Bytes at the start of a file that tell its format. */
const FIRST_BYTES = 64;

/**
 * All pictures in a project's folder as a zip, also if its journal is damaged. Without the journal, their names and classes are not known.
 */
export async function rescuedZip(folder: StoredFolder): Promise<AsyncIterable<Uint8Array>> {
  const pictures = storedPictures(folder, () => true);
  const found = new Map<string, { hash: string; name: string }>();
  for (const hash of await folder.folder(PICTURES).names()) {
    const first = await (await pictures.file(hash)).slice(0, FIRST_BYTES).arrayBuffer();
    const format = signatureOf(new Uint8Array(first))?.name.toLowerCase();
    const ending = format === 'jpeg xl' ? '.jxl' : format ? `.${format}` : '';
    found.set(hash, { hash, name: `picture ${found.size + 1}${ending}` });
  }
  return projectZip({ ...EMPTY_BOARD, pictures: found }, pictures);
}
