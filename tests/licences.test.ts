import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed, renderLicences } from '../scripts/licences.mjs';

describe('the licences of everything that is installed, shipped or downloaded', () => {
  it('are those of docs/licences.md (npm run docs)', () => {
    const written = readFileSync(join(import.meta.dirname, '../docs/licences.md'), 'utf8');
    expect(written.replaceAll('\r\n', '\n')).toBe(renderLicences());
  });

  it('name the parts under the LGPL', () => {
    const lgpl = installed().filter(({ licence }) => licence.includes('LGPL'));
    expect(lgpl.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['libheif-js', '@img/sharp-libvips-linux-x64', '@img/sharp-win32-x64']),
    );
    const page = renderLicences().split('## Installed with the package')[0];
    for (const { name } of lgpl) {
      const named = name.replace(/^(@img\/sharp-(?:libvips|win32)-).*/, '$1…');
      expect(page, name).toContain(named);
    }
  });

  it('are refused if they are not on the list of checked licences', () => {
    const lock = { packages: { '': {}, 'node_modules/a': { license: 'MIT' } } };
    expect(installed(lock)).toEqual([{ name: 'a', licence: 'MIT' }]);
    for (const license of ['GPL-3.0', 'MIT AND SSPL-1.0', undefined])
      expect(() => installed({ packages: { 'node_modules/b': { license } } })).toThrow(/^b has the licence/);
    expect(installed({ packages: { 'node_modules/b': { license: 'GPL-3.0', dev: true } } })).toEqual([]);
  });
});
