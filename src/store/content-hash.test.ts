import { expect, it } from 'vitest';
import { atOnce } from '../abort.ts';
import type { Tensor } from '../math/tensor.ts';
import { contentHash, hashesOf, PAGES, withPages } from './content-hash.ts';

it.each([
  ['bytes', contentHash],
  ['pages', (tensors: Record<string, Tensor>, text: string) => atOnce(withPages(tensors, text)).sha256],
])('the checksum covers the text and each tensor: its name, type, sizes and numbers (by %s)', (_, hashOf) => {
  const tensor: Tensor = { dtype: 'float16', shape: [2, 3], data: new Uint16Array(6) };
  const hashes = [
    hashOf({ a: tensor }, '{}'),
    hashOf({ a: tensor }, '{ }'),
    hashOf({ b: tensor }, '{}'),
    hashOf({ a: { ...tensor, shape: [3, 2] } }, '{}'),
    hashOf({ a: { ...tensor, dtype: 'bfloat16' } }, '{}'),
    hashOf({ a: { ...tensor, data: Uint16Array.of(0, 0, 0, 0, 0, 1) } }, '{}'),
    hashOf({ a: tensor, b: tensor }, '{}'),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});

it('pages are whole rows of at most 512 KiB, or one row', () => {
  const bytes = (...shape: number[]): Tensor => ({
    dtype: 'uint8',
    shape,
    data: new Uint8Array(shape.reduce((a, b) => a * b, 1)),
  });
  const tensors = {
    c: bytes(3, 200_000),
    b: bytes(2, 600_000),
    a: bytes(0, 4),
    d: bytes(2 ** 19 + 1),
    e: bytes(),
  };
  const { tensors: whole } = atOnce(withPages(tensors, ''));
  const hashes = whole[PAGES]!.data as Uint8Array;
  const counts = [...hashesOf(Object.entries(tensors), hashes)].map(([name, own]) => [name, own.length / 32]);
  expect(counts).toEqual([
    ['a', 0],
    ['b', 2],
    ['c', 2],
    ['d', 2],
    ['e', 1],
  ]);
  expect(whole[PAGES]!.shape).toEqual([7, 32]);
});
