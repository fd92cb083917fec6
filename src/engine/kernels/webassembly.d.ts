/** The part of WebAssembly's interface that is used here. Neither ES2023's library nor Node's types declare it. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: unknown;
  }
  class Memory {
    constructor(size: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    /** Grows the memory by a number of pages of 64 KiB. Views on the old buffer become empty. */
    grow(pages: number): number;
  }
}
