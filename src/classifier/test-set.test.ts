import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../dataset/read.ts';
import type { Dataset } from '../dataset/types.ts';
import { UsageError } from '../errors.ts';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { type FitOptions, fit } from './fit.ts';
import type { TestSet } from './test-set.ts';

const at = workspace();
const encoder = fakeEncoder();
const open: Classifier[] = [];
let fitted: Classifier;

async function fittedTo(source: string | Dataset, options: FitOptions = {}): Promise<Classifier> {
  const given = { encoder, method: 'tip-adapter', tune: 'fixed', thumbnails: false, ...options } as const;
  const classifier = await fit(source, given);
  open.push(classifier);
  return classifier;
}

beforeAll(async () => {
  fitted = await fittedTo(await writePictures(at('photos'), { cat: 4, dog: 4, fox: 4 }));
  await writePictures(at('unseen'), { cat: [20, 21], dog: [20, 21], fox: [20] });
});
afterAll(() => Promise.all(open.map((classifier) => classifier.close())));

describe('a test set that is encoded once', () => {
  let set: TestSet;
  beforeAll(async () => {
    set = await fitted.encodeTestSet(at('unseen'));
  });

  it('evaluates the classifier and its refitted versions', async () => {
    const { seconds: _, ...whole } = await fitted.evaluate(at('unseen'));
    expect(await fitted.evaluate(set)).toMatchObject(whole);
    const fewer = await fitted.refit({ shots: 1 });
    expect((await fewer.evaluate(set)).total).toBe(5);
  });

  it.each<[string, () => Promise<Classifier>]>([
    ['it was encoded for other classes', () => fitted.remove({ classes: ['cat'] })],
    [
      'it was encoded for other classes',
      async () => fittedTo(await writePictures(at('others'), { ape: 2, dog: 2, fox: 2 })),
    ],
    [
      'it was encoded with another encoder',
      () => fittedTo(at('photos'), { encoder: fakeEncoder('other', 'b') }),
    ],
    ['5 pictures of it are examples of the classifier', () => fitted.add(at('unseen'))],
  ])('is refused by another classifier: %s', async (why, other) => {
    const refusal = (await other()).evaluate(set);
    await expect(refusal).rejects.toBeInstanceOf(UsageError);
    await expect(refusal).rejects.toMatchObject({
      code: 'eval/other-classifier',
      message: `The test set cannot be used to evaluate the classifier: ${why}`,
    });
  });
});

describe("a program's own data set", () => {
  const uses: Record<string, (data: Dataset) => Promise<unknown>> = {
    fit: (data) => fittedTo(data),
    add: (data) => fitted.add(data),
    evaluate: (data) => fitted.evaluate(data),
    encodeTestSet: (data) => fitted.encodeTestSet(data),
  };

  it.each(Object.entries(uses))('is refused by %s if a label is outside of its classes', async (_, use) => {
    const { examples, ...rest } = await readDataset(at('unseen'));
    for (const label of [3, -2, 0.5, Number.NaN, undefined]) {
      const relabelled = examples.map((example, i) => (i === 4 ? { ...example, label } : example));
      const refusal = use({ ...rest, examples: relabelled } as Dataset);
      await expect(refusal, `${label}`).rejects.toMatchObject({
        code: 'dataset/label',
        message: `fox/20.png has the label ${label}; the classes of unseen are 0 to 2`,
      });
    }
  });

  it.each(Object.entries(uses))('is refused by %s if it is not a data set', async (_, use) => {
    for (const value of [undefined, null, 7, {}, { examples: [] }]) {
      const refusal = use(value as unknown as Dataset);
      await expect(refusal, JSON.stringify(value)).rejects.toMatchObject({
        code: 'dataset/source',
        message: expect.stringContaining('A data set cannot be '),
      });
    }
  });
});
