import { symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InterruptedError, ModelError, UsageError } from '../errors.ts';
import { row } from '../math/matrix.ts';
import { plainRows } from '../methods/task.ts';
import { type Classifier, load } from './classifier.ts';
import { isFailure } from './failure.ts';
import { fakeEncoder, picture, workspace, writeFiles, writePictures } from './fake-encoder.fixture.ts';
import { fit } from './fit.ts';
import type { Prediction } from './types.ts';

const at = workspace();
const encoder = fakeEncoder();
let fitted: Classifier;
let loaded: Classifier;
let unseen: string[];

beforeAll(async () => {
  const photos = await writePictures(at('photos'), { cat: 4, dog: 3, red_fox: 5 });
  await writePictures(at('unseen'), { cat: [10, 11], dog: [10, 11], 'Red Fox': [10], owl: [1, 2] });
  unseen = ['cat/10', 'cat/11', 'dog/10', 'dog/11', 'Red Fox/10'].map((name) => at('unseen', `${name}.png`));
  fitted = await fit(photos, { encoder, method: 'tip-adapter' });
  await fitted.save(at('pets.safetensors'));
  loaded = await load(at('pets.safetensors'), { encoder });
});
afterAll(async () => {
  await fitted.close();
  await loaded.close();
});

describe('a saved classifier', () => {
  it('gives bit-identical scores to the fitted one', async () => {
    const features = plainRows(fitted.data.support);
    expect((await loaded.scores(features)).data).toEqual((await fitted.scores(features)).data);
    expect((await loaded.probabilities(features)).data).toEqual((await fitted.probabilities(features)).data);
  });

  it('has all data of the fitted one', () => {
    expect(loaded.data).toEqual(fitted.data);
    expect(loaded.data.examples.every(({ thumbnail }) => thumbnail && thumbnail.length > 100)).toBe(true);
    expect(fitted.data.tuning).toMatchObject({ protocol: 'folds' });
  });

  it('predicts, evaluates and explains like the fitted one', async () => {
    expect(await loaded.predict(unseen)).toEqual(await fitted.predict(unseen));
    expect(await loaded.explain(unseen[0]!)).toEqual(await fitted.explain(unseen[0]!));
    const { seconds: _, ...after } = await loaded.evaluate(at('unseen'));
    const { seconds: __, ...before } = await fitted.evaluate(at('unseen'));
    expect(after).toEqual(before);
  });

  it('names both encoders if another one is given', async () => {
    const other = await load(at('pets.safetensors'), { encoder: fakeEncoder('other', 'b') });
    const failure = await other.predict(unseen).catch((error) => error);
    expect(failure).toBeInstanceOf(ModelError);
    expect(failure).toMatchObject({ code: 'classifier/other-encoder', exitCode: 4 });
    expect(failure.message).toContain('fake (aaaaaaaaaaaa)');
    expect(failure.message).toContain('other (bbbbbbbbbbbb)');
    await other.close();
  });

  it('does not close a given encoder', async () => {
    const lent = fakeEncoder();
    const borrower = await load(at('pets.safetensors'), { encoder: lent });
    await borrower.predict(unseen);
    await borrower.close();
    expect(lent.asked.closed).toBe(0);
  });
});

describe('predict', () => {
  it('recognises unseen pictures from paths and bytes, with probabilities that add up to one', async () => {
    const { predictions, failures } = await fitted.predict([...unseen, await picture('dog', 12)]);
    expect(failures).toEqual([]);
    expect(predictions.map(({ id }) => id)).toEqual(['cat', 'cat', 'dog', 'dog', 'red_fox', 'dog']);
    for (const { ranking, id, probability } of predictions) {
      expect(ranking.reduce((sum, ranked) => sum + ranked.probability, 0)).toBeCloseTo(1, 5);
      expect(ranking[0]).toMatchObject({ id, probability });
    }
  });

  it('rejects below the threshold, its own or the given one', async () => {
    const { probability } = await fitted.predict(unseen[0]!);
    const rejected = async (reject?: number) => (await fitted.predict(unseen[0]!, { reject })).rejected;
    expect(await rejected()).toBe(false);
    expect(await rejected(probability)).toBe(false);
    expect(await rejected(probability + 1e-6)).toBe(true);
  });

  it('lists unreadable pictures beside the answers', async () => {
    await writeFiles(at('bad'), { 'text.jpg': 'no picture', 'empty.png': '' });
    const { predictions, failures } = await fitted.predict([
      at('bad/text.jpg'),
      unseen[0]!,
      at('bad/gone.png'),
      at('bad/empty.png'),
    ]);
    expect(predictions.map(({ image }) => image)).toEqual([unseen[0]]);
    expect(failures.map(({ image }) => image)).toEqual(
      ['text.jpg', 'gone.png', 'empty.png'].map((name) => at('bad', name)),
    );
    for (const { error } of failures) expect(error).toMatchObject({ exitCode: 3 });
  });

  it.each([{ reject: 60 }, { reject: Number.NaN }, { rejct: 0.5 }, { examples: 3 }])(
    'refuses %j by name',
    async (options) => {
      const name = Object.keys(options)[0]!;
      const message = new RegExp(`option ${name}|Option --${name}`, 'i');
      await expect(fitted.predict(unseen.slice(0, 1), options as object)).rejects.toThrow(message);
      await expect(fitted.predictEach(unseen.slice(0, 1), options as object).next()).rejects.toThrow(message);
    },
  );

  it('refuses a threshold that no probability can reach', () => {
    expect(() => fitted.withReject(60)).toThrow(UsageError);
  });

  it('returns an empty list for an empty list', async () => {
    expect(await fitted.predict([])).toEqual({ predictions: [], failures: [] });
  });
});

async function gathered<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('predictEach', () => {
  it('yields answers and failures in order, for more pictures than one chunk', async () => {
    await writeFile(at('broken.png'), 'broken');
    const images = Array.from({ length: 150 }, (_, i) => (i % 50 === 7 ? at('broken.png') : unseen[i % 5]!));
    const results = await gathered(fitted.predictEach(images));
    expect(results.map(({ image }) => image)).toEqual(images);
    expect(results.flatMap((result, i) => (isFailure(result) ? [i] : []))).toEqual([7, 57, 107]);
    const { predictions } = await fitted.predict(unseen);
    const [last, alone] = [results[149] as Prediction, predictions[4]!];
    // The last digits of a product depend on how many rows it has.
    expect(last.probability).toBeCloseTo(alone.probability, 6);
    expect({ ...last, probability: 0, ranking: [] }).toEqual({ ...alone, probability: 0, ranking: [] });
  });

  it('keeps pictures with the same name apart', async () => {
    const named = (kind: string) => ({ id: 'upload', read: () => picture(kind, 20) });
    const results = await gathered(fitted.predictEach([named('cat'), named('dog'), named('cat')]));
    expect(results.map((result) => (result as Prediction).id)).toEqual(['cat', 'dog', 'cat']);
  });

  it('stops with exit status 130 when the signal fires', async () => {
    const controller = new AbortController();
    const endless = function* () {
      for (let i = 0; ; i++) yield unseen[i % 5]!;
    };
    let seen = 0;
    const failure = await (async () => {
      for await (const _ of fitted.predictEach(endless(), { signal: controller.signal })) {
        if (++seen === 3) controller.abort();
      }
    })().catch((error) => error);
    expect(failure).toBeInstanceOf(InterruptedError);
    expect(failure.exitCode).toBe(130);
    await expect(fitted.predict(unseen, { signal: controller.signal })).rejects.toBeInstanceOf(
      InterruptedError,
    );
    const again = fit(at('photos'), { encoder, signal: controller.signal });
    await expect(again).rejects.toBeInstanceOf(InterruptedError);
  });
});

describe('explain', () => {
  const variants = {
    'tip-adapter': 'cache',
    'visual-only': 'cache',
    'zero-shot': 'method',
    prototype: 'method',
  } as const;

  it.each(Object.entries(variants))('%s: parts add up to the scores', async (method, part) => {
    const relative = await fitted.refit({ method: method as keyof typeof variants });
    const explanation = await relative.explain(unseen[2]!);
    expect(explanation.part).toBe(part);
    const stored = await relative.predict([unseen[2]!]);
    expect(explanation.prediction).toEqual(stored.predictions[0]);

    const embedded = await relative.encodeTestSet(at('unseen'));
    const position = embedded.truth.findIndex(({ id }) => id === 'dog/10.png');
    const scores = row(await relative.scores(embedded.features), position);
    // Scores have single precision. The tolerance depends on their size, which is large with a large alpha.
    const near = (value: number) => expect.closeTo(value, 5 - Math.ceil(Math.log10(1 + Math.abs(value))));
    for (const { id, text, examples, score } of explanation.classes) {
      expect(text + examples).toEqual(near(score));
      expect(score).toEqual(near(scores[relative.data.classes.findIndex((info) => info.id === id)]!));
      const weights = explanation.contributions.filter(({ classId }) => classId === id);
      if (part === 'cache')
        expect(weights.reduce((sum, { weight = Number.NaN }) => sum + weight, 0)).toEqual(near(examples));
      else expect(weights.every(({ weight }) => weight === undefined)).toBe(true);
    }
    expect(explanation.classes.some(({ text }) => text !== 0)).toBe(/tip|zero/.test(method));
    expect(explanation.classes.some(({ examples }) => examples !== 0)).toBe(method !== 'zero-shot');
    expect(explanation.contributions).toHaveLength(12);
    expect(explanation.contributions[0]!.classId).toBe('dog');
    const { contributions } = explanation;
    const order = contributions.map(({ weight, similarity }) => weight ?? similarity);
    expect(order).toEqual(order.toSorted((a, b) => b - a));
  });

  it('finds the picture itself if it is an example', async () => {
    const { contributions } = await fitted.explain(at('photos/cat/2.png'));
    expect(contributions[0]).toMatchObject({ example: 'cat/2.png', className: 'cat' });
    expect(contributions[0]!.similarity).toBeCloseTo(1, 3);
  });

  it.each([{ examples: -1 }, { examples: 1.5 }, { reject: 2 }, { top: 3 }])(
    'refuses %j by name',
    async (options) => {
      await expect(fitted.explain(unseen[0]!, options as object)).rejects.toThrow(UsageError);
    },
  );

  it('throws the error of the picture', async () => {
    await expect(fitted.explain(at('gone.png'))).rejects.toMatchObject({
      code: 'image/missing',
      exitCode: 3,
    });
  });
});

describe('evaluate', () => {
  it('matches classes by name, reports unknown ones, and its numbers agree', async () => {
    const result = await fitted.evaluate(at('unseen'));
    expect(result.total).toBe(5);
    expect(result.findings).toContainEqual(
      expect.objectContaining({ code: 'eval/unknown-classes', paths: ['owl'] }),
    );
    const total = result.confusion.flat().reduce((a, b) => a + b, 0);
    const diagonal = result.confusion.reduce((sum, counts, c) => sum + counts[c]!, 0);
    expect([total, diagonal]).toEqual([result.total, result.correct]);
    expect(result.accuracy).toBe(result.correct / result.total);
    expect(result.perClass.map((counts) => counts.total)).toEqual([2, 2, 1]);
    expect(result.perClass.reduce((sum, counts) => sum + counts.correct, 0)).toBe(result.correct);
    expect(result.predictions.filter(({ id, label }) => id === label)).toHaveLength(result.correct);
    expect(result.predictions.at(-1)).toMatchObject({ label: 'red_fox', labelName: 'red fox' });
    expect(result.suspects).toHaveLength(result.total - result.correct);
    expect(result).toMatchObject({ encoder: 'fake', method: 'tip-adapter', protocol: 'folds', seed: 1 });
    expect(result.unknown?.pictures).toBeGreaterThan(0);
    expect(result.unknown?.auroc).toBeGreaterThanOrEqual(0);
    expect(result.unknown?.auroc).toBeLessThanOrEqual(1);
    expect(result.brier).toBeGreaterThan(0);
    expect(result.conformal.setSize).toBeGreaterThanOrEqual(1);
  });

  it('leaves out its own examples under any path, and unreadable pictures, and names both', async () => {
    await writeFiles(at('mixed'), {
      'dog/own.png': await picture('dog', 1),
      'dog/new.png': await picture('dog', 30),
      'dog/broken.png': 'broken',
      'cat/swapped.png': await picture('dog', 31),
    });
    const result = await fitted.evaluate(at('mixed'));
    expect(result.excluded).toEqual(['dog/own.png']);
    expect(result.failures.map(({ image }) => image)).toEqual(['dog/broken.png']);
    expect([result.total, result.correct]).toEqual([2, 1]);
    expect(result.suspects).toMatchObject([{ image: 'cat/swapped.png', label: 'cat', predicted: 'dog' }]);
  });

  it('counts files that could not be read when the split was listed', async () => {
    await writeFiles(at('listed'), {
      ...Object.fromEntries(
        await Promise.all(
          ['train', 'test'].flatMap((split, k) =>
            (['dog', 'cat'] as const).map(async (name) => [
              `${split}/${name}/1.png`,
              await picture(name, 60 + k),
            ]),
          ),
        ),
      ),
    });
    for (const split of ['train', 'test']) await symlink('gone.png', at(`listed/${split}/cat/2.png`));
    const { failures, total } = await fitted.evaluate(at('listed'));
    expect(failures.map(({ image }) => image)).toEqual(['test/cat/2.png']);
    expect(total).toBe(2);
  });

  it('names a class that is not evaluated because none of its pictures could be read', async () => {
    await writeFiles(at('judged'), { 'dog/1.png': await picture('dog', 33), 'cat/1.png': 'broken' });
    const { findings } = await fitted.evaluate(at('judged'));
    expect(findings.find(({ code }) => code === 'eval/emptied-class')?.paths).toEqual(['cat']);
  });

  it('refuses data that leaves nothing to evaluate on', async () => {
    await expect(fitted.evaluate(at('photos'))).rejects.toMatchObject({
      code: 'eval/nothing',
      exitCode: 3,
      details: { examples: 12, own: 12, unreadable: 0 },
    });
  });

  it('names both lists of classes if none is known', async () => {
    await writeFiles(at('strange'), {
      'owl/1.png': await picture('owl', 1),
      'bee/1.png': await picture('bee', 1),
    });
    await expect(fitted.evaluate(at('strange'))).rejects.toMatchObject({
      code: 'eval/nothing',
      hint: expect.stringMatching(/^The classifier knows "cat".*, and the data have "bee", "owl"\. /),
    });
  });

  it('uses the test split if there is one, or the given split', async () => {
    await writePictures(at('splits/test'), { cat: [40], dog: [40] });
    await writePictures(at('splits/val'), { cat: [41, 42] });
    const ids = async (split?: 'val') =>
      (await fitted.evaluate(at('splits'), { split })).predictions.map(({ image }) => image);
    expect(await ids()).toEqual(['test/cat/40.png', 'test/dog/40.png']);
    expect(await ids('val')).toEqual(['val/cat/41.png', 'val/cat/42.png']);
  });
});
