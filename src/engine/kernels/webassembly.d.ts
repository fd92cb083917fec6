/** The little of WebAssembly's interface that is used here: neither ES2023's library nor Node's types declare it. */
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
    /** Grows by a number of pages of 64 KiB; views on the old buffer become empty. */
    grow(pages: number): number;
  }
}
