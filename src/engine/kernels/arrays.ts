/** Lays out arrays of 4-byte numbers in a new WebAssembly memory. Each array starts at a multiple of 16 bytes, as the kernels require. */
export function layOutArrays<Name extends string>(lengths: Readonly<Record<Name, number>>) {
  const at = {} as Record<Name, number>;
  let next = 0;
  for (const [name, length] of Object.entries(lengths) as [Name, number][]) {
    at[name] = next;
    next += Math.ceil(length / 4) * 16;
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil(next / 65_536) });
  const view = (name: Name) => new Float32Array(memory.buffer, at[name], lengths[name]);
  return { memory, at, view };
}
