// npm run docs: writes docs/cli.md, docs/methods.md, docs/licences.md, man/tip-adapter.1 and schema/ from what they describe, checks the links
// of all documents, builds the site in site/built and checks its links. `npm run docs -- --pages` does not build the site.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, root } from './npm.mjs';

install();
await import('../tests/typescript.mjs');
const { renderManual } = await import('../src/cli/manual.ts');
const { renderMethods, renderReference } = await import('../src/cli/reference.ts');
const { renderSchemas } = await import('../src/cli/schemas.ts');
const { renderLicences } = await import('./licences.mjs');
const { documents, linkFaults, reportFaults } = await import('./links.mjs');
writeFileSync(join(root, 'docs', 'cli.md'), await renderReference());
writeFileSync(join(root, 'docs', 'methods.md'), await renderMethods());
writeFileSync(join(root, 'docs', 'licences.md'), renderLicences());
writeFileSync(join(root, 'man', 'tip-adapter.1'), await renderManual());
for (const [name, text] of Object.entries(await renderSchemas()))
  writeFileSync(join(root, 'schema', name), text);
const isRight = reportFaults(linkFaults(documents()));
const isWhole = process.argv.includes('--pages') || (await import('./site.mjs')).buildSite();
process.exitCode = isRight && isWhole ? 0 : 1;
