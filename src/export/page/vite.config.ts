import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

/** The runtime's WebAssembly is given to it by the page: built in, too, it would be there twice. */
const withoutWasm: Plugin = {
  name: 'without-wasm',
  enforce: 'pre',
  transform: (code, id) =>
    id.includes('onnxruntime-web')
      ? code.replaceAll(/new URL\("ort-wasm[\w.-]+\.wasm",\s*import\.meta\.url\)/g, 'new URL("about:blank")')
      : undefined,
};

/** One script with its worker inside and one style sheet: `exportWeb` puts both into a page that is one file. */
export default defineConfig({
  root: import.meta.dirname,
  clearScreen: false,
  logLevel: 'warn',
  worker: { format: 'iife', plugins: () => [withoutWasm] },
  build: {
    outDir: '../../../dist/export/page',
    emptyOutDir: true,
    target: 'es2022',
    reportCompressedSize: false,
    lib: {
      entry: join(import.meta.dirname, 'main.ts'),
      formats: ['es'],
      fileName: 'page',
      cssFileName: 'page',
    },
  },
});
