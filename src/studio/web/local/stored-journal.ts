import { DataError } from '../../../errors.ts';
import type { JournalFile } from '../../journal.ts';
import { named, type StoredFolder, writeAll } from './storage.ts';
import { PICTURES } from './stored-pictures.ts';

/** The journal's file in the browser's storage. */
export function storedJournal(folder: StoredFolder): JournalFile {
  return {
    name: JOURNAL,
    hint: HINT,
    async read() {
      const file = await folder.file(JOURNAL);
      // In a browser nobody moves the file away to begin anew, so a project with pictures has lost it.
      if (!file && (await folder.folder(PICTURES).names()).length > 0)
        throw new DataError(`${JOURNAL} is missing beside the pictures`, {
          code: 'studio/journal',
          hint: HINT,
        });
      return file?.text();
    },
    replace: (text) => folder.replace(JOURNAL, new TextEncoder().encode(text)),
    async open() {
      const file = await folder.open(JOURNAL);
      return {
        length: file.getSize(),
        append: (bytes) => named(() => writeAll(file, bytes, file.getSize())),
        truncate: (length) => named(() => file.truncate(length)),
        close: async () => file.close(),
      };
    },
  };
}

export const JOURNAL = 'session.jsonl';
const HINT = 'To save its pictures, choose the project in the menu of projects.';
