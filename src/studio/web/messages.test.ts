import { expect, it } from 'vitest';
import { en } from './messages.en.ts';
import { zh } from './messages.zh.ts';

it('never tells a test of some pictures as one of all', () => {
  expect(en.check.protocol(2, 52, 52)).toMatch(/^Every picture was left out once, in 2 rounds;/);
  expect(en.check.protocol(2, 26, 52)).toMatch(/^Of 52 pictures, 26 were left out once, in 2 rounds;/);
  expect(zh.check.protocol(2, 52, 52)).toContain('每张图片恰好留出一次');
  expect(zh.check.protocol(2, 26, 52)).toContain('52 张图片中的 26 张恰好留出一次');
});

it('tells long times in minutes and hours', () => {
  expect([840, 4_200, 42_000, 974_300, 9_000_000].map(en.teach.took)).toEqual([
    '840 ms',
    '4.2 s',
    '42 s',
    '16 min',
    '2.5 h',
  ]);
  expect(en.teach.tookAfter(en.teach.took(974_300))).toBe('ready 16 min after the last change');
});
