import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_TIME_IDS, TRANSDUCTIVE, TRANSDUCTIVE_IDS } from '../adaptation/index.ts';
import { argmax, matrix, row, unitRows } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { predictTogether, startStream } from './adapted.ts';
import type { Classifier } from './classifier.ts';
import { taskOf } from './classifier-task.ts';
import { isFailure } from './failure.ts';
import { fakeEncoder, picture, workspace, writeFiles, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';
import type { Prediction } from './types.ts';

const at = workspace();
let fitted: Classifier;
let images: string[];
let broken: string;

beforeAll(async () => {
  const photos = await writePictures(at('photos'), { cat: 3, dog: 3, fox: 3 });
  await writePictures(at('unseen'), { cat: [10, 11, 12], dog: [10, 11, 12], fox: [10, 11, 12] });
  images = ['cat', 'fox', 'dog'].flatMap((kind) => [10, 11, 12].map((n) => at('unseen', kind, `${n}.png`)));
  fitted = await fit(photos, { encoder: fakeEncoder(), method: 'tip-adapter', tune: 'fixed', reject: 0.2 });
  await writeFiles(at(), { 'broken.png': 'broken' });
  broken = at('broken.png');
});
afterAll(() => fitted.close());

/** The classifier's parts without its class names. */
const nameless = () => ({
  data: { ...fitted.data, head: undefined },
  encode: () => Promise.reject(new Error('is refused before')),
  scores: () => Promise.reject(new Error('is refused before')),
  prediction: () => {
    throw new Error('is refused before');
  },
});

it('the program of docs/adaptation.md runs', async () => {
  const page = readFileSync(new URL('../../docs/adaptation.md', import.meta.url), 'utf8');
  const [, code] = /```js\n([\s\S]*?)```/.exec(page)!;
  const given = ['classifier', 'images', 'image'];
  const program = new Function(
    ...given,
    `return (async () => { ${code} return [predictions.length, failures, prediction.testTime]; })()`,
  );
  expect(await program(fitted, images, images[0])).toEqual([9, [], 'dmn']);
});

describe('predictTogether', () => {
  it.each(TRANSDUCTIVE_IDS)('answers with the probabilities of %s', async (id) => {
    const { predictions, failures, changed } = await fitted.predictTogether(images, { method: id });
    expect(failures).toEqual([]);
    const alone = (await fitted.predict(images)).predictions;
    expect(changed).toBe(predictions.filter((answer, i) => answer.id !== alone[i]!.id).length);
    expect(predictions.map(({ image }) => image)).toEqual(images);
    const { features } = await fitted.encodeTestSet(at('unseen'));
    const scores = await fitted.scores(features);
    const { temperature } = fitted.data.tuning;
    const logits = matrix(
      scores.rows,
      scores.cols,
      scores.data.map((score) => score / temperature),
    );
    const method = TRANSDUCTIVE[id];
    const expected = await method.probabilities(
      { task: taskOf(fitted.data), features: unitRows(features), logits },
      resolveOptions(method.options, {}) as never,
      {},
    );
    const { truth } = await fitted.encodeTestSet(at('unseen'));
    for (const { image, id: best, probability, calibrated, transductive, testTime } of predictions) {
      const place = truth.findIndex((each) => image.replaceAll('\\', '/').endsWith(each.id));
      expect(probability).toBeCloseTo(Math.max(...row(expected, place)), 3);
      expect(best).toBe(fitted.data.classes[argmax(row(expected, place))]!.id);
      expect([calibrated, transductive, testTime]).toEqual([false, id, undefined]);
    }
  });

  it('lists unreadable pictures, and the answers are about the others', async () => {
    const { predictions, failures } = await fitted.predictTogether([broken, ...images], { reject: 1 });
    expect(failures.map(({ image }) => image)).toEqual([broken]);
    expect(predictions).toEqual((await fitted.predictTogether(images, { reject: 1 })).predictions);
    expect(predictions.some(({ rejected }) => rejected)).toBe(true);
  });

  it('refuses fewer than two readable pictures, and names the ones that cannot be read', async () => {
    const refused = await fitted.predictTogether([images[0]!, broken]).catch((error) => error);
    expect(refused).toMatchObject({ code: 'predict/too-few', exitCode: 3, details: { images: [broken] } });
    expect(refused.message).toContain('1 of 2 given pictures can be read');
    expect(refused.hint).toContain(broken);
    await expect(fitted.predictTogether([])).rejects.toMatchObject({ code: 'predict/too-few' });
  });

  it('refuses a method that needs class names if there are none', async () => {
    await expect(predictTogether(nameless(), images, { method: 'zlap' })).rejects.toMatchObject({
      code: 'method/needs',
      details: { method: 'zlap' },
    });
  });

  it.each([
    [{ method: 'tda' }, /method/],
    [{ options: { gamma: 1 } }, /no option gamma/],
    [{ options: { strength: -1 } }, /strength/],
    [{ strength: 1 }, /no option strength/],
  ])('refuses %j by name', async (options, message) => {
    await expect(fitted.predictTogether(images, options as object)).rejects.toThrow(message);
  });

  it('leaves the classifier as it was', async () => {
    const before = await fitted.predict(images);
    await fitted.predictTogether(images);
    expect(await fitted.predict(images)).toEqual(before);
  });
});

describe('stream', () => {
  it.each(TEST_TIME_IDS)('%s adapts to the pictures in the order of the calls', async (method) => {
    const one = fitted.stream({ method });
    const inTurn: Prediction[] = [];
    for (const image of images) inTurn.push(await one.predict(image));
    expect(inTurn.map(({ testTime, calibrated }) => [testTime, calibrated])).toEqual(
      images.map(() => [method, false]),
    );
    const many = fitted.stream({ method });
    const atOnce = await Promise.all(images.map((image) => many.predict(image)));
    const each = fitted.stream({ method });
    const listed: Prediction[] = [];
    for await (const answer of each.predictEach(images)) if (!isFailure(answer)) listed.push(answer);
    for (const other of [atOnce, listed]) {
      expect(other.map(({ image, id }) => [image, id])).toEqual(inTurn.map(({ image, id }) => [image, id]));
      other.forEach(({ probability }, i) => {
        expect(probability).toBeCloseTo(inTurn[i]!.probability, 5);
      });
    }
    expect([many.size, each.size]).toEqual([one.size, one.size]);
    expect(one.size).toBeGreaterThan(0);
  });

  it('is bounded', async () => {
    const stream = fitted.stream({ method: 'dmn', options: { memory: 2 } });
    for await (const answer of stream.predictEach([...images, ...images]))
      expect(isFailure(answer)).toBe(false);
    expect(stream.size).toBeLessThanOrEqual(6);
  });

  it('takes in no unreadable picture, and goes on', async () => {
    const stream = fitted.stream();
    await expect(stream.predict(broken)).rejects.toMatchObject({ exitCode: 3 });
    expect(stream.size).toBe(0);
    const answers = [];
    for await (const answer of stream.predictEach([images[0]!, broken, await picture('dog', 40)]))
      answers.push(answer);
    expect(answers.map(isFailure)).toEqual([false, true, false]);
    expect((await stream.predict(images[1]!)).testTime).toBe('tda');
  });

  it('refuses a method that needs class names if there are none, and unknown options', () => {
    expect(() => startStream(nameless(), { method: 'dmn' })).toThrow(/needs class names/);
    expect(() => fitted.stream({ method: 'zlap' as never })).toThrow(/method/);
    expect(() => fitted.stream({ options: { rooms: 1 } })).toThrow(/no option rooms/);
    expect(() => fitted.stream({ reject: 2 })).toThrow(/reject/);
  });
});
