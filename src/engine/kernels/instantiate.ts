/** A compiled kernel on a memory: its exported functions take byte addresses. Compiling takes well under a millisecond. */
export function instantiate<Exports>(wasm: string, memory: WebAssembly.Memory): Exports {
  const bytes = Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports as Exports;
}
