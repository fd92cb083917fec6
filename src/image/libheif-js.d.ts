declare module 'libheif-js/wasm-bundle.js' {
  interface Picture {
    is_primary(): boolean | number;
    get_width(): number;
    get_height(): number;
    /** Fills `target.data` with RGBA, and calls `done` with it, or with nothing if the picture cannot be decoded. */
    display(
      target: { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> },
      done: (target: { data: Uint8ClampedArray<ArrayBuffer> } | null) => void,
    ): void;
  }
  const libheif: {
    ready?: Promise<unknown>;
    HeifDecoder: new () => { decode(bytes: Uint8Array): Picture[] };
  };
  export default libheif;
}
