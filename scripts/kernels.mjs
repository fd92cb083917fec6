// Compiles kernels/*.ts (AssemblyScript) to src/engine/kernels/*.wasm.ts. The results are committed, so only a person who changes
// a kernel needs the compiler. This script installs it beside the kernels.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { npm, root } from './npm.mjs';

const sources = join(root, 'kernels');
const packages = join(sources, 'node_modules');
if (!existsSync(packages))
  npm(['install', '--prefix', sources, '--no-audit', '--no-fund', '--no-package-lock']);
const { main: compile } = await import(
  pathToFileURL(join(packages, 'assemblyscript', 'dist', 'asc.js')).href
);
const FLAGS = ['-O3', '--runtime', 'stub', '--importMemory', '--enable', 'simd', '--noAssert'];
const QUIET = ['--use', 'abort=', '--noExportMemory'];

/** Code that several kernels use. It is part of the hash of each of them. */
const shared = readFileSync(join(sources, 'shared', 'simd.ts'));

for (const file of readdirSync(sources).filter((name) => name.endsWith('.ts'))) {
  const name = file.slice(0, -3);
  let binary;
  const { error, stderr } = await compile([file, ...FLAGS, ...QUIET, '--outFile', `${name}.wasm`], {
    readFile: (path, base) => {
      const full = join(base ?? sources, path);
      const own = existsSync(full) ? full : join(sources, path);
      return existsSync(own) ? readFileSync(own, 'utf8') : null;
    },
    writeFile: (path, contents) => {
      if (path.endsWith('.wasm')) binary = Buffer.from(contents);
    },
    listFiles: () => [],
  });
  if (error || !binary) {
    console.error(stderr?.toString());
    process.exit(1);
  }
  const source = createHash('sha256')
    .update(readFileSync(join(sources, file)))
    .update(shared)
    .digest('hex');
  const lines = binary.toString('base64').match(/.{1,100}/g);
  writeFileSync(
    join(root, 'src/engine/kernels', `${name}.wasm.ts`),
    `// Made by \`npm run kernels\` from kernels/${file} (${binary.length} bytes); do not edit.\n` +
      `/** Sha256 of the source it was made from. */\nexport const source = '${source}';\n` +
      `export const wasm =\n  '${lines.join("' +\n  '")}';\n`,
  );
  console.log(`${file}: ${binary.length} bytes`);
}
