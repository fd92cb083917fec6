import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const CACHE = new URL('../node_modules/.cache/typescript/', import.meta.url);

/** Hook of Node: the types of a TypeScript file are blanked out, so that lines and columns stay as they are. */
export function load(url, context, next) {
  if (!/\.m?ts$/.test(url) || url.includes('/node_modules/')) return next(url, context);
  return { format: 'module', shortCircuit: true, source: withoutTypes(readFileSync(fileURLToPath(url))) };
}

/** Kept by content, because a command of the tests loads hundreds of files and Node's own parser takes a second for them. */
function withoutTypes(code) {
  const cached = new URL(`${createHash('sha1').update(code).digest('hex')}.js`, CACHE);
  try {
    return readFileSync(cached, 'utf8');
  } catch {}
  const { code: stripped } = require('amaro').transformSync(`${code}`, { mode: 'strip-only' });
  mkdirSync(CACHE, { recursive: true });
  const temporary = new URL(`${process.pid}-${Math.random()}`, CACHE);
  writeFileSync(temporary, stripped);
  renameSync(temporary, cached);
  return stripped;
}
