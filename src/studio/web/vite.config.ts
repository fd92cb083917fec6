import { defineConfig } from 'vite';

/** The page's policy allows no inline script and no data URL for one: everything is a file of its own. */
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
  },
});
