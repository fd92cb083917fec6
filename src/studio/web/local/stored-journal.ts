import type { JournalFile } from '../../journal.ts';
import { named, type StoredFolder, writeAll } from './storage.ts';

/** The journal's file in the browser's storage. */
export function storedJournal(folder: StoredFolder): JournalFile {
  return {
    name: JOURNAL,
    read: async () => (await folder.file(JOURNAL))?.text(),
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
