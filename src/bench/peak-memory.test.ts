import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { watchMemory } from './peak-memory.ts';

it.skipIf(!existsSync('/proc/self/clear_refs'))('counts the peak since the watch began (needs Linux)', () => {
  const before = watchMemory()();
  const outer = watchMemory();
  const block = Buffer.alloc(200 << 20, 1);
  expect(outer()).toBeGreaterThan(before + 150);
  expect(block).toHaveLength(200 << 20);
});
