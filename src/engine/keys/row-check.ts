/** Rows of numbers in half precision, or in 8 bits with their units and lengths. */
export interface Rows {
  readonly name: string;
  readonly dtype: 'float16' | 'int8';
  readonly cols: number;
  /** In 8 bits: the unit of each column, [cols], and 1 / length of each row, [rows]. */
  readonly steps?: Float32Array;
  readonly scales?: Float32Array;
}

/** Half-precision numbers whose exponent bits are all set are infinite or not numbers. */
const EXPONENT = 0x7c00;

/** Largest relative difference between a row's stated and actual length. */
const TOLERANCE = 1e-3;

/**
 * Checks rows in pieces of any size, from the first to the last, and describes the first fault. All values must be finite, and each row
 * must have its stated length, which the kernels do not check. A file that is read page by page gets the same check as one in memory.
 * `first` is the number of the first row, for the description.
 */
export function rowCheck(
  { name, dtype, cols, steps, scales }: Rows,
  first = 0,
): (piece: ArrayBufferView) => string | undefined {
  if (dtype === 'float16') {
    return ({ buffer, byteOffset, byteLength }) => {
      const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
      for (let i = 0; i < halves.length; i++)
        if ((halves[i]! & EXPONENT) === EXPONENT)
          return `tensor ${name} holds something that is not a number`;
      return undefined;
    };
  }
  const lengths = scales as Float32Array;
  const units = Float64Array.from(steps as Float32Array, (step) => step * step);
  let row = 0;
  let column = 0;
  let squares = 0;
  return ({ buffer, byteOffset, byteLength }) => {
    const values = new Int8Array(buffer, byteOffset, byteLength);
    for (let start = 0; start < values.length; ) {
      const count = Math.min(cols - column, values.length - start);
      squares += sumOfSquares(values, start, units, column, count);
      start += count;
      column += count;
      if (column < cols) break;
      const own = squares > 0 ? 1 / Math.sqrt(squares) : 0;
      if (!(Math.abs(own - lengths[row]!) <= TOLERANCE * own))
        return `tensor support.scales has ${lengths[row]} for row ${first + row} of ${name}, whose own is ${own}`;
      row++;
      column = squares = 0;
    }
    return undefined;
  };
}

function sumOfSquares(
  values: Int8Array,
  at: number,
  units: Float64Array,
  column: number,
  count: number,
): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[at + i]! * values[at + i]! * units[column + i]!;
  return sum;
}
