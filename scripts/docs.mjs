// Writes docs/cli.md from the tables of the built command line (npm run build first).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderReference } from '../dist/cli/reference.js';
import { root } from './npm.mjs';

writeFileSync(join(root, 'docs', 'cli.md'), await renderReference());
