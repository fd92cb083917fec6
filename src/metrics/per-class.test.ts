import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confusionMatrix } from './confusion.ts';
import { macroAccuracy, perClass } from './per-class.ts';

const answers = fc.integer({ min: 1, max: 5 }).chain((classes) => {
  const one = fc.integer({ min: 0, max: classes - 1 });
  return fc.record({
    classes: fc.constant(classes),
    pairs: fc.array(fc.tuple(one, one), { minLength: 1 }),
  });
});

describe('classes', () => {
  it('have recall, precision and support', () => {
    const [a, b, c] = perClass([0, 0, 1, 0], [0, 0, 0, 1], 3);
    expect(a).toEqual({ correct: 2, total: 3, accuracy: 2 / 3, answered: 3, precision: 2 / 3 });
    expect(b).toEqual({ correct: 0, total: 1, accuracy: 0, answered: 1, precision: 0 });
    expect(c).toEqual({ correct: 0, total: 0, accuracy: Number.NaN, answered: 0, precision: Number.NaN });
  });

  it('have equal weight in the macro accuracy, except those without a row', () => {
    expect(macroAccuracy(perClass([0, 0, 1, 0], [0, 0, 0, 1], 3))).toBeCloseTo(1 / 3, 12);
    expect(macroAccuracy([])).toBeNaN();
  });

  it('are the margins of the confusion matrix', () => {
    fc.assert(
      fc.property(answers, ({ classes, pairs }) => {
        const predicted = pairs.map(([p]) => p);
        const truth = pairs.map(([, y]) => y);
        const confusion = confusionMatrix(predicted, truth, classes);
        perClass(predicted, truth, classes).forEach(({ correct, total, answered }, c) => {
          expect(correct).toBe(confusion[c]![c]);
          expect(total).toBe(confusion[c]!.reduce((x, y) => x + y, 0));
          expect(answered).toBe(confusion.reduce((sum, counts) => sum + counts[c]!, 0));
        });
      }),
    );
  });
});
