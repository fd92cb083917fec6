import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

/** Leaves the runtime's WebAssembly out of the script: the page embeds it once and passes it to the runtime. */
const withoutWasm: Plugin = {
  name: 'without-wasm',
  enforce: 'pre',
  transform: (code, id) =>
    id.includes('onnxruntime-web')
      ? code.replaceAll(/new URL\("ort-wasm[\w.-]+\.wasm",\s*import\.meta\.url\)/g, 'new URL("about:blank")')
      : undefined,
};

/** One script has no use for methods that are loaded one by one, which is no fault. */
const checks = { bundlerTimings: false, pluginTimings: false, ineffectiveDynamicImport: false };

/** Builds one script, with its worker inside, and one style sheet. `exportWeb` puts both into the page. */
export default defineConfig({
  root: import.meta.dirname,
  clearScreen: false,
  logLevel: 'warn',
  worker: { format: 'iife', plugins: () => [withoutWasm], rollupOptions: { checks } },
  build: {
    outDir: '../../../dist/export/page',
    emptyOutDir: true,
    target: 'es2022',
    reportCompressedSize: false,
    // A file on a disk can fetch nothing beside it.
    rollupOptions: { checks, output: { codeSplitting: false } },
    lib: {
      entry: join(import.meta.dirname, 'main.ts'),
      formats: ['es'],
      fileName: 'page',
      cssFileName: 'page',
    },
  },
});
