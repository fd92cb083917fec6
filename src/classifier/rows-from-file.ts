import { openFile } from '../engine/keys/node.ts';
import { bytesPerRow, keyReader } from '../engine/keys/reader.ts';
import type { KeyFile } from '../engine/keys/types.ts';
import { fromInt8 } from '../math/from-int8.ts';
import { fromHalf } from '../math/half.ts';
import type { FileRows } from '../methods/file-rows.ts';

/** Rows of a file as a matrix that is read when it is first needed, and then kept. Throws `ModelError` if the file became shorter or is damaged. */
export function fileRows(file: KeyFile): FileRows {
  const { rows, cols } = file;
  let all: Float32Array | undefined;
  return {
    rows,
    cols,
    file,
    get data() {
      all ??= readRows(file, 0, rows);
      return all;
    },
    row: (i) => all?.subarray(i * cols, (i + 1) * cols) ?? readRows(file, i, 1),
  };
}

/** Reads whole pages, and converts the rows that are wanted. */
function readRows(file: KeyFile, first: number, count: number): Float32Array {
  const { cols, rows, dtype, steps } = file;
  const out = new Float32Array(count * cols);
  const reader = keyReader(file, openFile);
  const { perPage } = reader;
  const width = bytesPerRow(file);
  try {
    for (let done = 0; done < count; ) {
      const page = Math.floor((first + done) / perPage);
      const bytes = new Uint8Array(Math.min(perPage, rows - page * perPage) * width);
      reader.read(page, bytes);
      const from = first + done - page * perPage;
      const wanted = bytes.slice(from * width, (from + count - done) * width);
      const values =
        dtype === 'int8'
          ? fromInt8({ values: new Int8Array(wanted.buffer), steps: steps as Float32Array })
          : fromHalf(new Uint16Array(wanted.buffer));
      out.set(values, done * cols);
      done += values.length / cols;
    }
    return out;
  } finally {
    reader.close();
  }
}
