import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const kernels = readdirSync(join(root, 'kernels')).filter((name) => name.endsWith('.ts'));

describe('compiled kernels', () => {
  it.each(kernels)('%s was compiled after its last change (npm run kernels)', async (file) => {
    const { source } = await import(`../src/engine/kernels/${file.replace('.ts', '.wasm.ts')}`);
    const text = readFileSync(join(root, 'kernels', file));
    expect(source).toBe(createHash('sha256').update(text).digest('hex'));
  });
});
