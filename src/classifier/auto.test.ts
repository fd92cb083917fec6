import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodById } from '../methods/index.ts';
import { resolveOptions } from '../options.ts';
import type { Classifier } from './classifier.ts';
import { taskOf } from './classifier-task.ts';
import { decodeClassifier } from './decode.ts';
import type { EncoderSession } from './encoder-session.ts';
import { fakeEncoder, workspace, writePictures } from './fake-encoder.fixture.ts';
import { classifierBytes } from './file-bytes.ts';
import { fit } from './fit.ts';
import { removeParts } from './remove.ts';
import type { ClassifierData } from './types.ts';

const at = workspace();
let fitted: Classifier;
let stacked: ClassifierData;

beforeAll(async () => {
  const photos = await writePictures(at('photos'), { cat: 4, dog: 4, owl: 4 });
  fitted = await fit(photos, { encoder: fakeEncoder(), thumbnails: false });
  const stack = methodById('stack');
  const parts = {
    anchored: { options: { strength: 0.3 }, sharpness: 0.5, share: 0.7 },
    'tip-adapter': { options: { alpha: 1, beta: 5.5 }, sharpness: 0.2, share: 0.3 },
  };
  const options = resolveOptions(stack.options, { parts });
  const state = await stack.fit(taskOf(fitted.data), options);
  stacked = { ...fitted.data, method: 'stack', options, state };
});
afterAll(() => fitted.close());

/** Removing examples encodes nothing. */
const NO_RUNTIME = {} as EncoderSession;

describe('fit without a method', () => {
  it('reports its choice and the results of other methods on the same left-out examples', () => {
    const { method, tuning } = fitted.data;
    expect(tuning).toMatchObject({ protocol: 'folds', judges: 12 });
    const compared = tuning.compared?.map((each) => each.method) ?? [];
    expect(compared[0]).toBe(method);
    expect(compared).toEqual(expect.arrayContaining(['tip-adapter', 'zero-shot']));
  });

  it('answers with the right classes', async () => {
    const { predictions } = await fitted.predict(
      ['cat', 'dog', 'owl'].map((name) => at('photos', name, '0.png')),
    );
    expect(predictions.map(({ id }) => id)).toEqual(['cat', 'dog', 'owl']);
  });
});

describe('a stack, like any other method,', () => {
  it('is unchanged in the file', async () => {
    const { state, options, method } = await decodeClassifier(classifierBytes(stacked));
    expect({ state, options, method }).toEqual({
      state: stacked.state,
      options: stacked.options,
      method: 'stack',
    });
  });

  it('is refused if no program has registered one of its parts', async () => {
    const parts = { ...(stacked.options.parts as object), mine: { options: {}, sharpness: 1, share: 0.5 } };
    await expect(decodeClassifier(classifierBytes({ ...stacked, options: { parts } }))).rejects.toMatchObject(
      { code: 'classifier/method', details: { method: 'mine' } },
    );
  });

  it('is fitted again when examples are removed, starting from its state', async () => {
    const smaller = await removeParts(stacked, NO_RUNTIME, { examples: [stacked.examples[0]!.id] });
    expect(smaller.method).toBe('stack');
    expect(Object.keys(smaller.state)).toEqual(Object.keys(stacked.state));
    expect(smaller.state['anchored.residual']).not.toEqual(stacked.state['anchored.residual']);
  });
});

describe('a file of an earlier version', () => {
  it('whose tuning held alpha and beta is read', async () => {
    const tuning = { ...fitted.data.tuning, alpha: 1, beta: 5.5, compared: undefined };
    const { tuning: read } = await decodeClassifier(classifierBytes({ ...fitted.data, tuning }));
    expect(read.temperature).toBe(fitted.data.tuning.temperature);
    expect(read).not.toHaveProperty('alpha');
  });
});
