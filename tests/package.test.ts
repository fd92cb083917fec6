import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseMarkdown } from '../scripts/markdown.mjs';
import { version as own } from '../src/version.ts';

const root = join(import.meta.dirname, '..');
const { files, man, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  files: string[];
  man: string;
  version: string;
};
const DOCUMENTS = 'docs/**/*.md';
const isPacked = (path: string) =>
  /^docs\/.*\.md$/.test(path) || files.some((entry) => path === entry || path.startsWith(`${entry}/`));

describe('the package', () => {
  it('has one version in package.json and in its sources', () => {
    expect(own).toBe(version);
  });

  it('has every file that package.json names, and the manual page; dist/ is built before packing', () => {
    expect(files).toContain(DOCUMENTS);
    const single = files.filter((entry) => entry !== 'dist' && entry !== DOCUMENTS);
    expect(single.filter((entry) => !existsSync(join(root, entry)))).toEqual([]);
    expect(isPacked(man.replace('./', ''))).toBe(true);
  });

  it.each(['README.md', 'CHANGELOG.md'])(
    'has every file that %s links to, unless the link is absolute',
    (name) => {
      const { links } = parseMarkdown(readFileSync(join(root, name), 'utf8').replaceAll('\r\n', '\n'));
      const relative = links
        .map(({ target }) => target.split('#')[0]!)
        .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
      expect(relative.filter((target) => !isPacked(target))).toEqual([]);
    },
  );
});
