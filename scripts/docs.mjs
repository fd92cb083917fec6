// Writes docs/cli.md and docs/methods.md from the tables of the built program (npm run build first).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderMethods, renderReference } from '../dist/cli/reference.js';
import { root } from './npm.mjs';

writeFileSync(join(root, 'docs', 'cli.md'), await renderReference());
writeFileSync(join(root, 'docs', 'methods.md'), await renderMethods());
