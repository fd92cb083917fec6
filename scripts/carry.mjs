// Copies what is used of two packages into this package's dist. As a dependency, onnxruntime-web would install 139 MB, of which 41 MB are
// used, and an install script, which package managers refuse to run. zod is one file instead of eighty, most of them languages of its
// messages, which are not used: `import 'tip-adapter'` then takes less time. It remains a dependency for its types.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
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

/** Imports in the sources, and their files in dist. */
const IMPORTS = {
  [NAME]: `${NAME}/${NODE_ENTRY}`,
  [`${NAME}/wasm`]: `${NAME}/ort.wasm.bundle.min.mjs`,
  [`${NAME}/webgpu`]: `${NAME}/ort.webgpu.bundle.min.mjs`,
  [`${NAME}/ort-wasm-simd-threaded.wasm`]: `${NAME}/ort-wasm-simd-threaded.wasm`,
  zod: 'zod/zod.mjs',
  'zod/mini': 'zod/mini.mjs',
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
  await bundle(target, { [NODE_ENTRY]: NAME });
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  writeFileSync(
    join(target, 'README.md'),
    `Files of ${NAME} ${version}. Copyright (c) Microsoft Corporation, MIT licence:\n` +
      'https://github.com/microsoft/onnxruntime/blob/main/LICENSE\n',
  );
  await bundle(join(dist, 'zod'), { 'zod.mjs': 'zod', 'mini.mjs': 'zod/mini' }, [withoutLanguages]);
  copyFileSync(join(root, 'node_modules', 'zod', 'LICENSE'), join(dist, 'zod', 'LICENSE'));
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    const code = readFileSync(path, 'utf8');
    const led = code.replace(/'((?:onnxruntime-web|zod)[^']*)'/g, (whole, name) =>
      IMPORTS[name] ? `'${relativeImport(path, IMPORTS[name])}'` : whole,
    );
    if (led !== code) writeFileSync(path, led);
  }
}

function relativeImport(from, file) {
  const path = relative(dirname(from), join(dist, file)).split(sep).join('/');
  return path.startsWith('.') ? path : `./${path}`;
}

/** The languages of zod's messages. Its English, which the entry imports by itself, stays. */
const withoutLanguages = {
  name: 'without-languages',
  load: (id) => (/zod\/v4\/locales\/index\.js$/.test(id) ? 'export {}' : undefined),
};

/** Bundles packages for Node with what they import: a file each, and one for what they share. */
const bundle = (folder, entries, plugins = []) =>
  build({
    configFile: false,
    logLevel: 'error',
    root,
    plugins,
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      copyPublicDir: false,
      rolldownOptions: {
        input: Object.fromEntries(
          Object.entries(entries).map(([file, name]) => [file, fileURLToPath(import.meta.resolve(name))]),
        ),
        output: { entryFileNames: '[name]', chunkFileNames: '[name].mjs' },
      },
    },
  });
