import { isIntact, rowsPerPage } from '../../store/pages.ts';
import { damaged, shorter } from './errors.ts';
import { rowCheck } from './row-check.ts';
import type { FileReader, KeyFile } from './types.ts';

/** Reads the keys of a file in pages. */
export interface KeyReader {
  /** Number of rows in a page. */
  readonly perPage: number;
  /**
   * Reads a page into `into`, which has the size of its rows. If the file has hashes of its pages, a page is verified and its rows are
   * checked when it is first read. Throws `ModelError` if the page is damaged or the file too short.
   */
  read(page: number, into: Uint8Array): void;
  close(): void;
}

export function bytesPerRow({ cols, dtype }: KeyFile): number {
  return cols * (dtype === 'int8' ? 1 : 2);
}

/** Throws `ModelError` if another file has taken the name. */
export function keyReader(file: KeyFile, open: (path: string, identity: string) => FileReader): KeyReader {
  const { path, rows, hashes, scales } = file;
  const perPage = rowsPerPage(bytesPerRow(file));
  const left = new Set(hashes ? Array(Math.ceil(rows / perPage)).keys() : []);
  const reader = open(path, file.identity);
  return {
    perPage,
    read(page, into) {
      const start = page * perPage;
      readFully(reader, path, into, file.offset + start * bytesPerRow(file));
      if (!hashes || !left.has(page)) return;
      if (!isIntact(into, hashes, page)) throw damaged(path, 'its checksum does not match');
      const check = rowCheck({ ...file, scales: scales?.subarray(start, start + perPage) }, start);
      const wrong = check(into);
      if (wrong !== undefined) throw damaged(path, wrong);
      left.delete(page);
    },
    close: () => reader.close(),
  };
}

/** Fills `into` with the bytes from `position` on. Throws `ModelError` if the file ends before. */
export function readFully(reader: FileReader, path: string, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const got = reader.read(into.subarray(done), position + done);
    if (got === 0) throw shorter(path);
    done += got;
  }
}
