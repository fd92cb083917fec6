import { join } from 'node:path';
import { defineConfig } from 'vite';

/** ONNX Runtime is not bundled: a site has its files in `runtime/`, beside `assets/`. */
const runtime = {
  external: /^onnxruntime-web/,
  output: { paths: (id: string) => `../runtime/ort.${id.split('/')[1]}.bundle.min.mjs` },
};

/**
 * The methods are loaded one by one where a page answers, and all together where it learns. One bundle of all has no use for the first way,
 * which is no fault.
 */
const checks = { bundlerTimings: false, pluginTimings: false, ineffectiveDynamicImport: false };

/** Every script is a file of its own, because the page's policy allows neither inline scripts nor data URLs for scripts. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  clearScreen: false,
  logLevel: 'warn',
  worker: { format: 'es', rollupOptions: { ...runtime, checks } },
  build: {
    outDir: '../../../dist/studio/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      checks,
      input: ['index.html', 'phone.html', 'site.html', 'local/service-worker.ts'].map((name) =>
        join(import.meta.dirname, name),
      ),
      output: {
        entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
