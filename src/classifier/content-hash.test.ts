import { expect, it } from 'vitest';
import type { Tensor } from '../math/tensor.ts';
import { contentHash } from './content-hash.ts';

it('the checksum covers the text and each tensor: its name, type, sizes and numbers', () => {
  const tensor: Tensor = { dtype: 'float16', shape: [2, 3], data: new Uint16Array(6) };
  const hashes = [
    contentHash({ a: tensor }, '{}'),
    contentHash({ a: tensor }, '{ }'),
    contentHash({ b: tensor }, '{}'),
    contentHash({ a: { ...tensor, shape: [3, 2] } }, '{}'),
    contentHash({ a: { ...tensor, dtype: 'int16' as Tensor['dtype'] } }, '{}'),
    contentHash({ a: { ...tensor, data: Uint16Array.of(0, 0, 0, 0, 0, 1) } }, '{}'),
    contentHash({ a: tensor, b: tensor }, '{}'),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});
