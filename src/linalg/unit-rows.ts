import { instantiate } from '../engine/kernels/instantiate.ts';
import { wasm } from '../engine/kernels/rows.wasm.ts';

interface Kernel {
  unitHalves(halves: number, n: number, d: number, out: number): number;
  unitSingles(rows: number, n: number, d: number): number;
}

/** Makes rows of length 1 in a memory of its own. */
export class UnitRows {
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #kernel = instantiate<Kernel>(wasm, this.#memory);

  /**
   * The rows of length 1 of rows in single precision, or of the 16 bits of half precision, [n, d]. They are valid until the next call. Undefined
   * if a row is not finite, all zeros, or so short or long that the square of its length leaves single precision.
   */
  of(values: Float32Array | Uint16Array, d: number): Float32Array | undefined {
    const n = values.length / d;
    const isHalf = values instanceof Uint16Array;
    // 16 bytes between the arrays, because the kernel reads whole vectors.
    const out = isHalf ? Math.ceil(values.byteLength / 16) * 16 + 16 : 0;
    const size = out + 4 * values.length + 16;
    const missing = Math.ceil((size - this.#memory.buffer.byteLength) / 65_536);
    if (missing > 0) this.#memory.grow(missing);
    const { buffer } = this.#memory;
    if (isHalf) new Uint16Array(buffer, 0, values.length).set(values);
    else new Float32Array(buffer, 0, values.length).set(values);
    const { unitHalves, unitSingles } = this.#kernel;
    const done = isHalf ? unitHalves(0, n, d, out) : unitSingles(0, n, d);
    return done === n ? new Float32Array(buffer, out, values.length) : undefined;
  }
}
