import fc from 'fast-check';
import { expect, it } from 'vitest';
import { thresholdPoints } from './thresholds.ts';

const share = fc.double({ min: 0, max: 1, noNaN: true });
const known = fc.array(fc.record({ confidence: share, isRight: fc.boolean() }), {
  minLength: 1,
  maxLength: 60,
});

it('answers fewer pictures and rejects more as the threshold rises, and measures the thresholds as shown', () => {
  fc.assert(
    fc.property(known, fc.array(share, { maxLength: 20 }), share, (own, unknown, also) => {
      const points = thresholdPoints({ known: own, unknown }, [also]);
      expect(points[0]).toMatchObject({ threshold: 0, answered: 1 });
      expect(points.map(({ threshold }) => threshold)).toContain(also);
      points.forEach((point, i) => {
        const answered = own.filter(({ confidence }) => confidence >= point.threshold);
        expect(point.answered).toBe(answered.length / own.length);
        if (i === 0) return;
        expect(point.threshold).toBeGreaterThan(points[i - 1]!.threshold);
        expect(point.answered).toBeLessThanOrEqual(points[i - 1]!.answered);
        expect(point.unknownRejected ?? 0).toBeGreaterThanOrEqual(points[i - 1]!.unknownRejected ?? 0);
      });
    }),
  );
});

it('lists thresholds for given shares of answered pictures', () => {
  const own = Array.from({ length: 100 }, (_, i) => ({ confidence: (i + 0.5) / 100, isRight: i >= 50 }));
  const points = thresholdPoints({ known: own, unknown: [0.1, 0.2, 0.99] });
  expect(points).toEqual([
    { threshold: 0, answered: 1, accuracy: 0.5, unknownRejected: 0 },
    { threshold: 0.015, answered: 0.99, accuracy: 50 / 99, unknownRejected: 0 },
    { threshold: 0.055, answered: 0.95, accuracy: 50 / 95, unknownRejected: 0 },
    { threshold: 0.105, answered: 0.9, accuracy: 50 / 90, unknownRejected: 1 / 3 },
    { threshold: 0.205, answered: 0.8, accuracy: 50 / 80, unknownRejected: 2 / 3 },
    { threshold: 0.305, answered: 0.7, accuracy: 50 / 70, unknownRejected: 2 / 3 },
    { threshold: 0.505, answered: 0.5, accuracy: 1, unknownRejected: 2 / 3 },
  ]);
});
