import { instantiate } from '../engine/kernels/instantiate.ts';
import { wasm } from '../engine/kernels/rows.wasm.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Products } from './matrix-products.ts';

interface Kernel {
  addByClass(rows: number, labels: number, n: number, d: number, sums: number): void;
  columns(
    rows: number,
    n: number,
    d: number,
    centre: number,
    capacity: number,
    at: number,
    out: number,
  ): void;
  addRows(matrix: number, n: number, d: number, capacity: number, sums: number): void;
}

/** Rows that are copied into the memory at a time. */
const AT_ONCE = 2048;
/**
 * Rows whose products are computed at a time. With fewer, adding up the products takes more of the time; with more, rounding does not average
 * out. An odd number of lines of 64 bytes, because with a power of two the rows of a panel take the same places in the processor's cache.
 */
export const CAPACITY = 127 * 16;
/** Columns of a panel. Products below the diagonal's blocks are left out: 28 of 64 for 512 columns. */
export const WIDTH = 64;

/** Rows less the centre as the columns of a matrix [d, n]: a copy for the engine, because the memory may grow while it computes. */
interface Columns {
  readonly numbers: Float32Array;
  /** Ends when the products of its rows are added. */
  added: Promise<void>;
}

/** Sums of x x^T around a fixed centre m: sum x x^T = sum (x - m)(x - m)^T + m s^T + s m^T + n m m^T, s = sum (x - m). */
interface Squares {
  readonly d: number;
  /** Addresses of the centre [d] in float32 and of the sum of the rows less the centre [d] in float64. */
  readonly centre: number;
  readonly sum: number;
  /** Rows whose own part is not in the sum yet. */
  rows: number;
  /** Address of the columns [d, CAPACITY] that are being filled. */
  readonly address: number;
  filled: number;
  /** The engine computes with one block of columns while the other one is filled. */
  readonly columns: Columns[];
}

/**
 * Adds float32 rows to sums in float64. A part of each sum is kept in the kernel's memory until `flush`, so a sum is complete only after
 * it. The rows are copied; they are not changed between two calls that get the same array.
 */
export class RowAdder {
  readonly #products: Products;
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #kernel = instantiate<Kernel>(wasm, this.#memory);
  readonly #byClass = new Map<Float64Array, number>();
  readonly #squares = new Map<Float64Array, Squares>();
  #end = 0;
  /** Addresses of rows and of labels, for rows of at most so many columns. */
  #scratch?: { readonly cols: number; readonly rows: number; readonly labels: number };
  /** The rows that the memory holds. */
  #held?: { readonly data: Float32Array; readonly cols: number; readonly from: number };

  constructor(products: Products) {
    this.#products = products;
  }

  /** Adds rows [n, d] to the sums [classes, d] of their classes. Throws `RangeError` for other labels, because the kernel does not look at them. */
  addByClass(sums: Float64Array, rows: Matrix, labels: Int32Array): void {
    const d = rows.cols;
    const classes = Math.floor(sums.length / d);
    if (!labels.every((label) => label >= 0 && label < classes))
      throw new RangeError(`A label is not one of 0 to ${classes - 1}`);
    const target = this.#byClass.get(sums) ?? this.#allocate(8 * sums.length);
    this.#byClass.set(sums, target);
    for (const [from, n] of tiles(rows)) {
      const at = this.#take(rows, from, n);
      new Int32Array(this.#memory.buffer, at.labels, n).set(labels.subarray(from, from + n));
      this.#kernel.addByClass(at.rows, at.labels, n, d, target);
    }
  }

  /**
   * Adds the rows' x x^T to the sum [d, d]. It returns when the rows are copied, while the engine still computes. Throws `RangeError` for a sum of
   * another size. The products are in float32, of rows around the mean of the first ones, whose square would hide their variation.
   */
  async addSquares(sum: Float64Array, rows: Matrix): Promise<void> {
    const d = rows.cols;
    if (sum.length !== d * d)
      throw new RangeError(`The sum has the length ${sum.length} instead of ${d} x ${d}`);
    const own = this.#squaresOf(sum, rows);
    for (const [from, n] of tiles(rows)) {
      for (let done = 0; done < n; ) {
        await own.columns[0]!.added;
        // The memory is at its place until the next wait.
        const at = this.#take(rows, from, n).rows + 4 * d * done;
        const some = Math.min(n - done, CAPACITY - own.filled);
        this.#kernel.columns(at, some, d, own.centre, CAPACITY, own.filled, own.address);
        own.filled += some;
        done += some;
        if (own.filled === CAPACITY) this.#multiply(sum, own);
      }
    }
  }

  /** Adds the parts that are kept in the kernel's memory to the sums. */
  async flush(): Promise<void> {
    for (const [sum, own] of this.#squares) {
      if (own.filled > 0) this.#multiply(sum, own);
      await Promise.all(own.columns.map(({ added }) => added));
    }
    const { buffer } = this.#memory;
    for (const [sums, address] of this.#byClass) {
      const kept = new Float64Array(buffer, address, sums.length);
      for (let i = 0; i < sums.length; i++) sums[i]! += kept[i]!;
      kept.fill(0);
    }
    for (const [squares, kept] of this.#squares) {
      const { d, rows } = kept;
      const m = new Float32Array(buffer, kept.centre, d);
      const s = new Float64Array(buffer, kept.sum, d);
      for (let i = 0; i < d; i++) {
        const own = m[i]!;
        const rest = s[i]! + rows * own;
        for (let j = i; j < d; j++) {
          squares[i * d + j]! += own * s[j]! + rest * m[j]!;
          squares[j * d + i] = squares[i * d + j]!;
        }
      }
      s.fill(0);
      kept.rows = 0;
    }
  }

  /** Begins to add the products of the rows that are filled. The columns are free again when it returns. */
  #multiply(sum: Float64Array, own: Squares): void {
    const { d, filled: n, address, columns } = own;
    const [free, other] = columns as [Columns, Columns];
    this.#kernel.addRows(address, n, d, CAPACITY, own.sum);
    const filled = new Float32Array(this.#memory.buffer, address, d * CAPACITY);
    for (let j = 0; j < d; j++) free.numbers.set(filled.subarray(j * CAPACITY, j * CAPACITY + n), j * n);
    const rows = matrix(d, n, free.numbers.subarray(0, d * n));
    free.added = this.#products.gram(rows, WIDTH).then((panels) => addPanels(sum, d, panels));
    // An error is thrown by the next wait.
    free.added.catch(() => {});
    columns.splice(0, 2, other, free);
    own.rows += n;
    own.filled = 0;
  }

  #squaresOf(sum: Float64Array, rows: Matrix): Squares {
    const known = this.#squares.get(sum);
    if (known) return known;
    const d = rows.cols;
    const columns = [0, 1].map(() => ({
      numbers: new Float32Array(d * CAPACITY),
      added: Promise.resolve(),
    }));
    const made = {
      d,
      centre: this.#allocate(4 * d),
      sum: this.#allocate(8 * d),
      rows: 0,
      address: this.#allocate(4 * d * CAPACITY),
      filled: 0,
      columns,
    };
    new Float32Array(this.#memory.buffer, made.centre, d).set(meanOf(rows));
    this.#squares.set(sum, made);
    return made;
  }

  /** Copies rows into the memory, unless it holds them. */
  #take({ data, cols }: Matrix, from: number, n: number) {
    if (!this.#scratch || this.#scratch.cols < cols) {
      this.#scratch = {
        cols,
        rows: this.#allocate(4 * AT_ONCE * cols),
        labels: this.#allocate(4 * AT_ONCE),
      };
      this.#held = undefined;
    }
    const held = this.#held;
    if (held?.data !== data || held.cols !== cols || held.from !== from) {
      const part = data.subarray(from * cols, (from + n) * cols);
      new Float32Array(this.#memory.buffer, this.#scratch.rows, part.length).set(part);
      this.#held = { data, cols, from };
    }
    return this.#scratch;
  }

  /** The address of so many bytes of zeros. */
  #allocate(bytes: number): number {
    const address = this.#end;
    this.#end += Math.ceil(bytes / 16) * 16;
    const missing = Math.ceil((this.#end - this.#memory.buffer.byteLength) / 65_536);
    if (missing > 0) this.#memory.grow(missing);
    return address;
  }
}

function* tiles({ rows }: Matrix): Generator<[number, number]> {
  for (let from = 0; from < rows; from += AT_ONCE) yield [from, Math.min(AT_ONCE, rows - from)];
}

/** Rows that a centre is the mean of. */
const SAMPLE = 512;

function meanOf({ rows, cols: d, data }: Matrix): Float64Array {
  const n = Math.min(rows, SAMPLE);
  const mean = new Float64Array(d);
  for (let at = 0; at < n * d; at++) mean[at % d]! += data[at]! / n;
  return mean;
}

/** Adds panels of WIDTH columns to the upper triangle of a sum [d, d]. */
function addPanels(sum: Float64Array, d: number, panels: readonly Matrix[]): void {
  panels.forEach(({ rows, cols, data }, panel) => {
    for (let i = 0; i < rows; i++) {
      const target = i * d + panel * WIDTH;
      for (let j = 0; j < cols; j++) sum[target + j]! += data[i * cols + j]!;
    }
  });
}
