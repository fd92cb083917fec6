// Copies the files of onnxruntime-web that are used into this package's dist. As a dependency, onnxruntime-web would install 139 MB, of
// which 41 MB are used, and an install script, which package managers refuse to run.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { root } from './npm.mjs';

const NAME = 'onnxruntime-web';
const dist = join(root, 'dist');
const target = join(dist, NAME);

const FILES = [
  'ort.wasm.bundle.min.mjs',
  'ort.webgpu.bundle.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
  'ort-wasm-simd-threaded.asyncify.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
];
const NODE_ENTRY = 'ort.node.mjs';

/** Imports in the sources, and their files. */
const IMPORTS = {
  [NAME]: NODE_ENTRY,
  [`${NAME}/wasm`]: 'ort.wasm.bundle.min.mjs',
  [`${NAME}/webgpu`]: 'ort.webgpu.bundle.min.mjs',
  [`${NAME}/ort-wasm-simd-threaded.wasm`]: 'ort-wasm-simd-threaded.wasm',
};

/** Copies the files into dist, and changes the imports of its modules to them. */
export async function carry() {
  mkdirSync(target);
  const source = join(root, 'node_modules', NAME);
  for (const file of FILES) {
    if (!file.endsWith('.mjs')) copyFileSync(join(source, 'dist', file), join(target, file));
    // The source maps stay behind, and Vite warns of a reference to a missing one.
    else
      writeFileSync(
        join(target, file),
        readFileSync(join(source, 'dist', file), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, ''),
      );
  }
  await bundleNodeEntry();
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  writeFileSync(
    join(target, 'README.md'),
    `Files of ${NAME} ${version}. Copyright (c) Microsoft Corporation, MIT licence:\n` +
      'https://github.com/microsoft/onnxruntime/blob/main/LICENSE\n',
  );
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    const code = readFileSync(path, 'utf8');
    const led = code.replace(/'(onnxruntime-web[^']*)'/g, (whole, name) =>
      IMPORTS[name] ? `'../${NAME}/${IMPORTS[name]}'` : whole,
    );
    if (led !== code) writeFileSync(path, led);
  }
}

/** Bundles the entry for Node into one file, because it imports another package. */
const bundleNodeEntry = () =>
  build({
    configFile: false,
    logLevel: 'error',
    root,
    ssr: { noExternal: true },
    build: {
      ssr: fileURLToPath(import.meta.resolve(NAME)),
      outDir: target,
      emptyOutDir: false,
      copyPublicDir: false,
      rolldownOptions: { output: { entryFileNames: NODE_ENTRY } },
    },
  });
