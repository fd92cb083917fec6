import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const kernels = readdirSync(join(root, 'kernels')).filter((name) => name.endsWith('.ts'));

describe('compiled kernels', () => {
  it.each(kernels)('%s was compiled after its last change (npm run kernels)', async (file) => {
    const { source } = await import(`../src/engine/kernels/${file.replace('.ts', '.wasm.ts')}`);
    const hash = createHash('sha256');
    for (const path of [file, 'shared/simd.ts']) hash.update(readFileSync(join(root, 'kernels', path)));
    expect(source).toBe(hash.digest('hex'));
  });
});
