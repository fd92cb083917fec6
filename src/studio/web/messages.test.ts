import { expect, it } from 'vitest';
import { en } from './messages.en.ts';
import { zh } from './messages.zh.ts';

it('never tells a test of some pictures as one of all', () => {
  expect(en.check.protocol(2, 52, 52)).toMatch(/^Every picture was left out once, in 2 rounds;/);
  expect(en.check.protocol(2, 26, 52)).toMatch(/^Of 52 pictures, 26 were left out once, in 2 rounds;/);
  expect(zh.check.protocol(2, 52, 52)).toContain('每张图片恰好留出一次');
  expect(zh.check.protocol(2, 26, 52)).toContain('52 张图片中的 26 张恰好留出一次');
});
