import { instantiate } from '../engine/kernels/instantiate.ts';
import { wasm } from '../engine/kernels/rows.wasm.ts';

interface Kernel {
  unitHalves(halves: number, n: number, d: number, out: number): number;
  unitSingles(rows: number, n: number, d: number): number;
}

let memory: WebAssembly.Memory | undefined;

/**
 * The rows of length 1 of rows in single precision, or of the 16 bits of half precision, [n, d]. Undefined if a row is not finite, all zeros, or so
 * short or long that the square of its length leaves single precision.
 */
export function unitRowsOf(values: Float32Array | Uint16Array, d: number): Float32Array | undefined {
  const n = values.length / d;
  const isHalf = values instanceof Uint16Array;
  // 16 bytes between the arrays, because the kernel reads whole vectors.
  const out = isHalf ? Math.ceil(values.byteLength / 16) * 16 + 16 : 0;
  const size = out + 4 * values.length + 16;
  memory ??= new WebAssembly.Memory({ initial: 1 });
  const missing = Math.ceil((size - memory.buffer.byteLength) / 65_536);
  if (missing > 0) memory.grow(missing);
  const { unitHalves, unitSingles } = instantiate<Kernel>(wasm, memory);
  if (isHalf) new Uint16Array(memory.buffer, 0, values.length).set(values);
  else new Float32Array(memory.buffer, 0, values.length).set(values);
  const done = isHalf ? unitHalves(0, n, d, out) : unitSingles(0, n, d);
  return done === n ? new Float32Array(memory.buffer, out, values.length).slice() : undefined;
}
