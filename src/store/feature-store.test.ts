import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openFeatureStore } from './feature-store.ts';

it('does not return a value whose end is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'feature-store-'));
  const store = openFeatureStore(folder);
  const [whole, cut] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
  await store.putAll([
    [whole, Buffer.from('whole')],
    [cut, Buffer.from('cut off')],
  ]);
  await truncate(join(folder, 'features.data'), 'wholecut'.length);
  expect(store.get(whole)?.toString()).toBe('whole');
  expect(store.get(cut)).toBeUndefined();
  await store.close();
  await rm(folder, { recursive: true });
});
