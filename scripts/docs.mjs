// npm run docs: writes docs/cli.md and docs/methods.md from the tables of the program.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, root } from './npm.mjs';

install();
await import('../tests/typescript.mjs');
const { renderMethods, renderReference } = await import('../src/cli/reference.ts');
writeFileSync(join(root, 'docs', 'cli.md'), await renderReference());
writeFileSync(join(root, 'docs', 'methods.md'), await renderMethods());
