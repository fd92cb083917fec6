import { defineConfig } from 'vite';

export default defineConfig({
  worker: { format: 'es' },
  // The development server must not bundle the package ahead: it has a worker beside it.
  optimizeDeps: { exclude: ['tip-adapter'] },
});
