import { rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../dataset/read.ts';
import { selectRows } from '../math/matrix.ts';
import { plainRows } from '../methods/task.ts';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';
import { leftOutAnswers } from './left-out.ts';

const at = workspace();
const encoder = fakeEncoder();
const given = { encoder, thumbnails: false, tune: 'fixed' } as const;
let fitted: Classifier;

beforeAll(async () => {
  await writePictures(at('photos'), { cat: 6, dog: 6, fox: 6 });
  await rename(at('photos', 'cat', '5.png'), at('photos', 'dog', 'wrong.png'));
  await writePictures(at('unseen'), { cat: [20, 21], dog: [20], fox: [20] });
  fitted = await fit(at('photos'), { ...given, method: 'prototype' });
});
afterAll(() => fitted.close());

describe('left-out answers', () => {
  it('are those of the method fitted without the fold', async () => {
    const { examples, probabilities } = (await leftOutAnswers(fitted.data, { mostFolds: 2 }))!;
    const { support, examples: own } = fitted.data;
    expect(examples).toEqual([...own.keys()]);
    // The first fold holds every second group of each class.
    const byClass = [0, 1, 2].map((c) => [...own.keys()].filter((i) => support.labels[i] === c));
    const fold = byClass.flatMap((of) => of.filter((_, place) => place % 2 === 0));
    const rest = await fitted.remove({ examples: fold.map((i) => own[i]!.id) });
    const expected = await rest.probabilities(selectRows(plainRows(support), fold));
    fold.forEach((example, i) => {
      for (let c = 0; c < 3; c++)
        expect(probabilities.data[3 * example + c]).toBeCloseTo(expected.data[3 * i + c]!, 4);
    });
  });

  it('are empty if no class has two examples', async () => {
    const single = await fit(at('photos'), { ...given, method: 'prototype', shots: 1 });
    expect(await single.suspects()).toBeUndefined();
    const evaluation = single.evaluate(await readDataset(at('photos')), { suspects: true });
    expect((await evaluation).leftOutFolds).toBeUndefined();
    await single.close();
  });
});

describe('suspects', () => {
  it('are led by the wrong label, from the examples alone', async () => {
    const { suspects, examples, correct, folds } = (await fitted.suspects())!;
    expect(suspects[0]).toMatchObject({ image: 'dog/wrong.png', label: 'dog', predicted: 'cat' });
    expect([examples, correct, folds]).toEqual([18, 18 - suspects.length, 7]);
  });

  it('are also found by an evaluation on the examples, whose figures are then about left-out answers', async () => {
    const evaluation = await fitted.evaluate(at('photos'), { suspects: true });
    expect(evaluation).toMatchObject({ total: 18, excluded: [], leftOutFolds: 7 });
    expect(evaluation.suspects).toEqual((await fitted.suspects())!.suspects);
    await expect(fitted.evaluate(at('photos'))).rejects.toMatchObject({ code: 'eval/nothing' });
  });

  it('are searched among examples and other pictures together, but the figures are about the other pictures only', async () => {
    await writePictures(at('both'), { cat: [0, 20, 21], dog: [20], fox: [20] });
    await rename(at('both', 'cat', '21.png'), at('both', 'fox', 'unseen.png'));
    await rename(at('both', 'cat', '0.png'), at('both', 'fox', 'seen.png'));
    const { suspects, total, excluded, leftOutFolds } = await fitted.evaluate(at('both'), { suspects: true });
    const found = suspects.map(({ image, leftOut }) => [image, leftOut]);
    expect(found).toContainEqual(['fox/seen.png', true]);
    expect(found).toContainEqual(['fox/unseen.png', false]);
    expect([total, excluded, leftOutFolds]).toEqual([4, ['fox/seen.png'], undefined]);
  });
});

describe('a rejection threshold by rule', () => {
  it('keeps 95% of the right answers to left-out examples, and no more than a smaller one must', async () => {
    const threshold = (await fitted.autoReject())!;
    const { examples, probabilities } = (await leftOutAnswers(fitted.data))!;
    const right = examples.flatMap((example, i) => {
      const p = [...probabilities.data.subarray(3 * i, 3 * i + 3)];
      const best = Math.max(...p);
      return p.indexOf(best) === fitted.data.support.labels[example] ? [best] : [];
    });
    expect(right.filter((p) => p >= threshold).length).toBeGreaterThanOrEqual(0.95 * right.length);
    expect(right.filter((p) => p >= threshold + 1e-3).length).toBeLessThan(right.length);
  });

  it('is chosen and printed by fit, which also says if none can be chosen', async () => {
    const auto = await fit(at('photos'), { ...given, method: 'prototype', reject: 'auto' });
    expect(auto.data.reject).toBe(await fitted.autoReject());
    expect(auto.findings).toContainEqual(expect.objectContaining({ code: 'fit/threshold' }));
    const single = await fit(at('photos'), { ...given, method: 'prototype', reject: 'auto', shots: 1 });
    expect(single.data.reject).toBe(0);
    expect(single.findings).toContainEqual(
      expect.objectContaining({ level: 'warning', code: 'fit/no-threshold' }),
    );
    await Promise.all([auto.close(), single.close()]);
  });

  it('evaluate lists thresholds, also against pictures of other things', async () => {
    await writePictures(at('others'), { owl: 3 });
    const unknown = [0, 1, 2].map((i) => at('others', 'owl', `${i}.png`));
    const { thresholds, total, unknown: measured } = await fitted.evaluate(at('unseen'), { unknown });
    expect(thresholds[0]).toMatchObject({ threshold: 0, answered: 1, unknownRejected: 0 });
    expect([total, measured?.pictures]).toEqual([4, 3]);
  });
});
