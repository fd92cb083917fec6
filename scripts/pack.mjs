// Packs the package for tests that install it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm, root } from './npm.mjs';

/** Builds and packs the package, calls `use` with the tarball's path, and removes the tarball. Returns what `use` returns. */
export function withPackage(use) {
  const folder = mkdtempSync(join(tmpdir(), 'tip-adapter-pack-'));
  try {
    // The script prepack builds the package.
    npm(['pack', '--silent', '--pack-destination', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    return use(join(folder, `tip-adapter-${version}.tgz`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
