import { describe, expect, it } from 'vitest';
import type { Evaluation } from '../classifier/types.ts';
import { compareEvaluations } from './paired-comparison.ts';

/** An evaluation with these answers: `label>answer`, by picture. */
function evaluation(answers: Record<string, string>): Evaluation {
  const predictions = Object.entries(answers).map(([image, answer]) => {
    const [label, id] = answer.split('>');
    const ranking = [...new Set([id, label])].map((name, i) => ({
      id: name,
      name,
      probability: i ? 0.2 : 0.8,
    }));
    return { image, id, name: id, probability: 0.8, rejected: false, ranking, label, labelName: label };
  });
  return { predictions, method: 'm', encoder: 'e', protocol: 'folds' } as unknown as Evaluation;
}

describe('comparing two classifiers', () => {
  const first = evaluation({ a: 'cat>cat', b: 'cat>cat', c: 'dog>cat', d: 'dog>cow', e: 'cat>cat' });
  const second = evaluation({ f: 'cat>cat', d: 'dog>cat', c: 'dog>dog', b: 'cat>cow', a: 'cat>cat' });

  it('pairs pictures by name, and leaves out those that only one was tested on', () => {
    const { total, leftOut, onlyFirst, onlySecond, difference, p } = compareEvaluations(first, second);
    expect({ total, leftOut, onlyFirst, onlySecond }).toEqual({
      total: 4,
      leftOut: ['e', 'f'],
      onlyFirst: 1,
      onlySecond: 1,
    });
    expect(difference).toBe(0);
    expect(p).toBe(1);
  });

  it('measures both on these pictures only', () => {
    const { first: one, second: other } = compareEvaluations(first, second);
    expect(one).toMatchObject({ correct: 2, accuracy: 0.5 });
    expect(one.nll).toBeCloseTo(-(2 * Math.log(0.8) + 2 * Math.log(0.2)) / 4, 10);
    expect(other.correct).toBe(2);
  });

  it('lists the pictures with different answers, and the right classifier', () => {
    const { disagreements } = compareEvaluations(first, second);
    expect(disagreements.map(({ image, first, second, right }) => [image, first, second, right])).toEqual([
      ['b', 'cat', 'cow', 'first'],
      ['c', 'cat', 'dog', 'second'],
      ['d', 'cow', 'cat', 'neither'],
    ]);
  });

  it('refuses two classifiers without a common picture', () => {
    expect(() => compareEvaluations(evaluation({ a: 'x>x' }), evaluation({ b: 'x>x' }))).toThrow(
      expect.objectContaining({ code: 'compare/nothing' }),
    );
  });
});
