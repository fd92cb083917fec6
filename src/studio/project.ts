import { DataError } from '../errors.ts';
import { renderCsv } from '../report/table.ts';
import { nameGiver } from '../store/safe-names.ts';
import { MOST_ZIP_BYTES, MOST_ZIP_ENTRIES, type ZipFile, zipped } from '../store/zip-writer.ts';
import { count, plural } from '../words.ts';
import type { Board } from './board.ts';
import type { Pictures } from './pictures.ts';

/** A picture's path in the zip, and its row of the table. */
interface Entry {
  readonly path: string;
  readonly label: string;
  readonly group: string;
  readonly hash: string;
}

/**
 * All pictures of the board as a zip, in chunks: a folder for each class, `index.csv` with every picture's path, class and group, and
 * `classes.csv` with the exact names of the classes. Another studio can import it, and every command can read it as a data set.
 * @throws DataError `studio/project-too-large` before the first chunk, if it exceeds the limits of a zip
 */
export async function projectZip(board: Board, pictures: Pictures): Promise<AsyncIterable<Uint8Array>> {
  const entries = entriesOf(board);
  let bytes = 0;
  for (const { hash } of entries) bytes += await pictures.size(hash);
  if (entries.length > MOST_ZIP_ENTRIES || bytes > MOST_ZIP_BYTES) {
    throw new DataError(
      `${count(entries.length, 'picture')} of ${count(bytes, 'byte')} together ${plural(entries.length, 'does', 'do')} not fit into a zip`,
      {
        code: 'studio/project-too-large',
        hint: "Copy the session's folder instead; `tip-adapter studio --workspace` opens it anywhere.",
        details: { pictures: entries.length, bytes },
      },
    );
  }
  return zipped(filesOf(entries, board, pictures));
}

/** The pictures by class, in the board's order, unsorted ones last. */
function entriesOf({ classes, pictures }: Board): Entry[] {
  const folderName = nameGiver(['index.csv', 'classes.csv', UNSORTED]);
  const folders = [
    ...classes.map(({ id, name }) => ({ id, name, folder: folderName(name) })),
    { id: undefined, name: '', folder: UNSORTED },
  ];
  return folders.flatMap(({ id: own, name: label, folder }) => {
    const fileName = nameGiver();
    return [...pictures.values()]
      .filter(({ classId }) => classId === own)
      .map(({ hash, name, group = '' }) => {
        const [ending = ''] = /\.\w{1,8}$/.exec(name) ?? [];
        const stem = name.slice(0, name.length - ending.length);
        return { path: `${folder}/${fileName(stem, ending)}`, label, group, hash };
      });
  });
}

const UNSORTED = 'unsorted';

async function* filesOf(
  entries: readonly Entry[],
  { classes }: Board,
  pictures: Pictures,
): AsyncGenerator<ZipFile> {
  yield { name: 'index.csv', chunks: [csv(entries, ['path', 'label', 'group'])] };
  const names = classes.map(({ name }) => ({ id: name, name }));
  yield { name: 'classes.csv', chunks: [csv(names, ['id', 'name'])] };
  for (const { path, hash } of entries) yield { name: path, chunks: [await pictures.read(hash)] };
}

function csv<Row>(rows: readonly Row[], columns: readonly (keyof Row & string)[]): Uint8Array {
  const table = {
    rows,
    columns: columns.map((title) => ({ title, value: (row: Row) => String(row[title]) })),
  };
  return new TextEncoder().encode(renderCsv(table));
}
