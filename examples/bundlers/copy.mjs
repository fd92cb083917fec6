// node copy.mjs [folder]: copies the page and the .wasm files of a folder into dist/, on every system.
import { cpSync, readdirSync } from 'node:fs';

const [folder] = process.argv.slice(2);
const wasm = folder ? readdirSync(folder).filter((name) => name.endsWith('.wasm')) : [];
cpSync('index.html', 'dist/index.html');
for (const name of wasm) cpSync(`${folder}/${name}`, `dist/${name}`);
