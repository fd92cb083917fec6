import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, flush, writeFileAtomic } from '../store/atomic.ts';
import { type FileUse, readRegular, unlessMissing } from '../store/regular.ts';
import type { Board } from './board.ts';
import { type Journal, type JournalFile, openJournal, readJournal } from './journal.ts';

const JOURNAL = {
  area: 'studio',
  limit: 2 ** 29 - 1024,
  hint: 'Move the file away to begin anew; the pictures stay beside it.',
} satisfies FileUse;

const FILE = 'session.jsonl';

/** Opens or creates the journal in a folder, as `openJournal` does. Throws `DataError`. */
export function openDiskJournal(folder: string): Promise<Journal> {
  return openJournal(fileIn(folder));
}

/** The board of a folder's session, read from the disk. Throws `DataError`. */
export async function boardOnDisk(folder: string): Promise<Board> {
  return (await readJournal(fileIn(folder))).history.board;
}

function fileIn(folder: string): JournalFile {
  const path = join(folder, FILE);
  const failed = (error: unknown) => {
    throw diskError(error, path);
  };
  return {
    name: path,
    hint: JOURNAL.hint,
    read: async () => (await readRegular(path, JOURNAL).catch(unlessMissing))?.toString('utf8'),
    replace: (text) => writeFileAtomic(path, text),
    async open() {
      const file = await open(path, 'a').catch(failed);
      return {
        length: (await file.stat()).size,
        append: async (bytes) => {
          await file.appendFile(bytes).catch(failed);
          await flush(file.fd).catch(failed);
        },
        truncate: (length) => file.truncate(length).catch(failed),
        close: () => file.close(),
      };
    },
  };
}
