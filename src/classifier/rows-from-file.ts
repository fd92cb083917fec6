import { openFile } from '../engine/keys/node.ts';
import { shorter } from '../engine/keys/pages.ts';
import type { KeyFile } from '../engine/keys/types.ts';
import { fromHalf } from '../math/half.ts';
import { fromInt8 } from '../math/int8.ts';
import type { FileRows } from '../methods/file-rows.ts';

/** Rows of a file as a matrix that is read when it is first needed, and then kept. Throws `ModelError` if the file became shorter. */
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

/** Number of bytes read at a time. */
const AT_ONCE = 1 << 24;

function readRows(file: KeyFile, first: number, count: number): Float32Array {
  const { path, identity, offset, cols, dtype, steps } = file;
  const width = cols * (dtype === 'int8' ? 1 : 2);
  const out = new Float32Array(count * cols);
  const perChunk = Math.max(1, Math.floor(AT_ONCE / width));
  const handle = openFile(path, identity);
  try {
    for (let done = 0; done < count; done += perChunk) {
      const rows = Math.min(perChunk, count - done);
      const bytes = new Uint8Array(rows * width);
      const start = first + done;
      if (handle.read(bytes, offset + start * width) < bytes.length) throw shorter(path);
      const values =
        dtype === 'int8'
          ? fromInt8({ values: new Int8Array(bytes.buffer), steps: steps as Float32Array })
          : fromHalf(new Uint16Array(bytes.buffer));
      out.set(values, done * cols);
    }
    return out;
  } finally {
    handle.close();
  }
}
