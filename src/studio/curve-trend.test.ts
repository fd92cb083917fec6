import { describe, expect, it } from 'vitest';
import { wilsonInterval } from '../metrics/accuracy.ts';
import { curveTrend } from './curve-trend.ts';

const point = (correct: number, total: number) => {
  const [low, high] = wilsonInterval(correct, total);
  return { accuracy: correct / total, low, high };
};

describe('the end of a learning curve', () => {
  it.each([
    ['rises', [point(60, 100), point(80, 100)]],
    ['flat', [point(900, 1000), point(905, 1000)]],
    ['unclear', [point(28, 36), point(30, 36)]],
    ['unclear', [point(30, 36), point(28, 36)]],
    ['rises', [point(10, 40), point(500, 1000), point(560, 1000)]],
  ] as const)('%s', (trend, curve) => expect(curveTrend(curve)).toBe(trend));
});
