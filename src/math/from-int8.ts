/** Rows in 8 bits: number (i, j) is `values[i * cols + j] * steps[j]`. */
export interface Int8Rows {
  readonly values: Int8Array;
  /** The unit of each column, [d]. */
  readonly steps: Float32Array;
}

/** The rows as float32, [n, d]. */
export function fromInt8({ values, steps }: Int8Rows): Float32Array {
  const cols = steps.length;
  const out = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += cols)
    for (let j = 0; j < cols; j++) out[start + j] = values[start + j]! * steps[j]!;
  return out;
}
