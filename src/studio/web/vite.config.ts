import { join } from 'node:path';
import { defineConfig } from 'vite';

/** Every script is a file of its own, because the page's policy allows neither inline scripts nor data URLs for scripts. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  clearScreen: false,
  logLevel: 'warn',
  build: {
    outDir: '../../../dist/studio/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: { input: ['index.html', 'phone.html'].map((name) => join(import.meta.dirname, name)) },
  },
});
