// Checks types, lint and format, dead exports, the package, the changelog, and links. All checks run; the status is a failure if any fails.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { install, root, runTool } from './npm.mjs';

install();
const checks = [
  ['types', 'typescript/bin/tsc', ['-p', 'tsconfig.json']],
  ...['src/studio/web', 'src/export/page', 'src/web', 'tests/studio'].map((part) => [
    `types of ${part}`,
    'typescript/bin/tsc',
    ['-p', `${part}/tsconfig.json`],
  ]),
  ['lint and format', '@biomejs/biome/bin/biome', ['check', ...process.argv.slice(2)]],
  ['dead exports', 'knip/bin/knip.js', []],
  ...(existsSync(join(root, 'dist/web')) ? [] : [['build', '../scripts/build.mjs', []]]),
  ['package', 'publint/src/cli.js', []],
  ['changelog', '../scripts/changelog.mjs', []],
  ['links', '../scripts/links.mjs', []],
];
const failed = checks.filter(([name, tool, args]) => {
  console.log(`— ${name}`);
  return runTool(tool, args) !== 0;
});
if (failed.length > 0) console.error(`check failed: ${failed.map(([name]) => name).join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
