import { mkdir } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { comparedText } from '../cli/fitted-text.ts';
import { readDataset } from '../dataset/read.ts';
import { DataError } from '../errors.ts';
import { modelCard } from '../export/card.ts';
import { row } from '../math/matrix.ts';
import { keysOf } from '../methods/task.ts';
import { calibrationText } from '../report/choice.ts';
import { type Classifier, load } from './classifier.ts';
import { fakeEncoder, picture, workspace, writeFiles, writePictures } from './fake-encoder.fixture.ts';
import { type FitOptions, fit } from './fit.ts';
import { chanceFindings } from './fit-findings.ts';

const at = workspace();
const encoder = fakeEncoder();
const open: Classifier[] = [];

afterEach(() => Promise.all(open.splice(0).map((classifier) => classifier.close())));

async function fitted(folder: string, options: FitOptions = {}): Promise<Classifier> {
  const classifier = await fit(folder, { encoder, thumbnails: false, ...options });
  open.push(classifier);
  return classifier;
}

const countsOf = ({ data: { classes, support } }: Classifier) =>
  Object.fromEntries(classes.map(({ id }, c) => [id, support.labels.filter((label) => label === c).length]));

describe('fit', () => {
  it('accepts classes of any size; those without a picture have only their name', async () => {
    const photos = await writePictures(at('ragged'), { cat: 5, dog: 1, ghost: 0, owl: 2 });
    const classifier = await fitted(photos, { method: 'tip-adapter' });
    expect(countsOf(classifier)).toEqual({ cat: 5, dog: 1, ghost: 0, owl: 2 });
    const { classes } = await classifier.explain(at('ragged/cat/0.png'));
    const ghost = classes.find(({ id }) => id === 'ghost');
    expect(ghost?.examples).toBe(0);
    expect(ghost?.text).not.toBe(0);
    expect((await classifier.predict([at('ragged/owl/1.png')])).predictions[0]!.id).toBe('owl');
  });

  it('keeps Chinese and very long class names, from the folder to the answer', async () => {
    const long = 'a very long name of a class '.repeat(8).trim().replaceAll(' ', '_');
    const photos = await writePictures(at('names'), { 猫: 2, 柴犬: 2, [long]: 2 });
    await (await fitted(photos)).save(at('动物.safetensors'));
    const loaded = await load(at('动物.safetensors'), { encoder });
    open.push(loaded);
    expect(loaded.data.classes.map(({ id }) => id).toSorted()).toEqual([long, '柴犬', '猫']);
    const images = ['猫', '柴犬', long].map((name) => at('names', name, '1.png'));
    const { predictions } = await loaded.predict(images);
    expect(predictions.map(({ id }) => id)).toEqual(['猫', '柴犬', long]);
    expect(predictions[2]!.name).toBe(long.replaceAll('_', ' '));
    const { contributions } = await loaded.explain(images[0]!);
    expect(contributions[0]).toMatchObject({ example: '猫/1.png', className: '猫' });
    expect(encoder.asked.texts).toContain('a photo of a 柴犬.');
  });

  it.each([
    [undefined, {}, 'A data set cannot be undefined'],
    [7, {}, 'A data set cannot be a number'],
    [{ path: 'photos' }, {}, 'A data set cannot be an object of type Object'],
    ['photos', { method: {} }, 'A method needs id, a string'],
    ['photos', { method: { id: 'own', needs: [], options: {} } }, 'A method needs fit, a function'],
    ['photos', { encoder: {} }, 'An encoder needs id, a string'],
  ])('names the given value and the accepted ones: %j, %j', async (source, options, message) => {
    const given = { encoder, ...options } as FitOptions;
    await expect(fit(source as string, given)).rejects.toMatchObject({ name: 'UsageError', message });
  });

  it('names the prompts that the encoder does not read to their end, from templates and from classes', async () => {
    const photos = await writePictures(at('cut'), { cat: 2, dog: 2 });
    await writeFiles(photos, { 'classes.csv': 'id,prompts\ncat,one two three four five six seven\n' });
    const short = {
      ...encoder,
      textLength: async (texts: readonly string[]) => ({
        tokens: texts.map((text) => text.split(' ').length),
        read: 6,
      }),
    };
    const template = ['a photo of a {}.', 'a {} in the very far distance.'];
    const { findings } = await fitted(photos, { encoder: short, template });
    expect(findings.filter(({ code }) => code === 'prompts/cut')).toEqual([
      {
        level: 'warning',
        code: 'prompts/cut',
        message: '3 prompts are longer than the 6 tokens that fake reads; their ends are not read',
        paths: [
          'a cat in the very far distance. (7 tokens)',
          'one two three four five six seven (7 tokens)',
          'a dog in the very far distance. (7 tokens)',
        ],
      },
    ]);
    const grown = await (await fitted(photos, { encoder: short, thumbnails: false })).add([
      { image: at('cut/cat/0.png'), label: 'a very long name' },
    ]);
    expect(grown.findings).toContainEqual(
      expect.objectContaining({ code: 'prompts/cut', paths: ['a photo of a a very long name. (8 tokens)'] }),
    );
  });

  it('counts and lists unreadable files, and continues', async () => {
    const photos = await writePictures(at('damaged'), { cat: 2, dog: 2 });
    await writeFiles(photos, {
      'cat/text.jpg': 'this is text',
      'dog/empty.png': '',
      'dog/cut.png': (await picture('dog', 9)).subarray(0, 90),
    });
    const classifier = await fitted(photos);
    expect(countsOf(classifier)).toEqual({ cat: 2, dog: 2 });
    const finding = classifier.findings.find(({ code }) => code === 'fit/unreadable');
    expect(finding).toMatchObject({ level: 'warning', message: expect.stringMatching(/^3 pictures/) });
    const named = finding?.paths?.map((path) => path.split(':')[0]);
    expect(named?.toSorted()).toEqual(['cat/text.jpg', 'dog/cut.png', 'dog/empty.png']);
  });

  it('names classes without a readable picture, and classes with too few pictures', async () => {
    const photos = await writePictures(at('emptied'), { cat: 3, dog: 3, owl: 0 });
    await writeFiles(photos, { 'owl/1.png': 'text', 'owl/2.png': '', 'dog/3.png': 'text' });
    const { findings } = await fitted(photos, { method: 'prototype', shots: 4 });
    const told = (code: string) => findings.find((found) => found.code === code);
    expect(told('fit/emptied-class')).toMatchObject({
      level: 'warning',
      message: expect.stringContaining('1 class has no picture left, because none could be read ("owl")'),
      paths: ['owl'],
    });
    expect(told('dataset/few-pictures')?.message).toContain('"cat (3)", "dog (3)", "owl (0)"');
    const whole = await fitted(await writePictures(at('whole'), { cat: 3, dog: 3 }));
    expect(whole.findings.map(({ code }) => code)).toEqual(['dataset/found']);
  });

  it('names classes without a readable picture in the tuning split', async () => {
    await writePictures(at('tuned/train'), { cat: 2, dog: 2 });
    await writePictures(at('tuned/val'), { cat: [5, 6] });
    await writeFiles(at('tuned/val'), { 'dog/1.png': 'text' });
    const { findings } = await fitted(at('tuned'), { tune: 'val' });
    expect(findings.find(({ code }) => code === 'fit/emptied-class')).toMatchObject({
      message: expect.stringContaining('such a class is not evaluated on the split val'),
      paths: ['dog'],
    });
  });

  it('names classes without a left-out example, and the number of classes in the score', async () => {
    const photos = await writePictures(at('uneven'), { cat: 4, dog: 1, ghost: 0 });
    const classifier = await fitted(photos);
    expect(classifier.findings.find(({ code }) => code === 'fit/unjudged-class')).toMatchObject({
      level: 'warning',
      message: expect.stringMatching(
        /^2 of 3 classes could not be evaluated on left-out examples, .*: "dog", "ghost"$/,
      ),
      paths: ['dog', 'ghost'],
    });
    expect(comparedText(classifier.data)).toMatch(
      /^Accuracy on 4 left-out examples of 1 of 3 classes in 4 folds: /,
    );
    expect(modelCard(classifier.data)).toContain(
      'Accuracy and NLL are of 4 rows of 1 of 3 classes in 4 folds.',
    );
    expect(classifier.calibrated).toBe(false);
    expect(calibrationText(classifier.data)).toMatch(/only 4 left-out examples of 1 of 3 classes in 4 folds/);
    const asked = await fitted(photos, { reject: 'auto', balance: true });
    expect(asked.findings).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        code: 'fit/threshold',
        message: expect.stringContaining('right answers to left-out examples of 1 of 3 classes'),
      }),
    );
    expect(asked.findings.find(({ code }) => code === 'fit/balance')?.message).toMatch(
      /not balanced, because only examples of 1 of 3 classes can be left out/,
    );
    const even = await fitted(await writePictures(at('even'), { cat: 2, dog: 2 }));
    expect(even.findings.map(({ code }) => code)).not.toContain('fit/unjudged-class');
    expect(comparedText(even.data)).toMatch(/^Accuracy on 4 left-out examples in 2 folds: /);
    expect(even.data.tuning.judgedClasses).toBe(2);
    const balanced = await fitted(at('even'), { balance: true });
    expect(balanced.findings.find(({ code }) => code === 'fit/balance')?.message).toBe(
      'The classes are not balanced, because they have equally many examples.',
    );
  });

  it.each(['proker', 'tip-adapter', 'linear-probe', 'gda'])(
    'tells the left-out result of %s, with and without tuning',
    async (method) => {
      const photos = await writePictures(at('named'), { cat: 4, dog: 4 });
      for (const tune of ['folds', 'fixed'] as const) {
        const { data } = await fitted(photos, { method, tune });
        const [own, ...others] = data.tuning.compared ?? [];
        expect([own?.method, own?.nll, others.length]).toEqual([method, data.tuning.nll, 0]);
        expect(comparedText(data)).toMatch(
          /^Accuracy on 8 left-out examples in 4 folds: [\d.]+% \(NLL [\d.]+\)$/,
        );
      }
    },
  );

  it('warns of a classifier that is no better than chance on left-out examples', async () => {
    const { data } = await fitted(await writePictures(at('chance'), { cat: 4, dog: 4 }), { method: 'gda' });
    const withResult = (accuracy: number, nll: number) =>
      chanceFindings({ ...data, tuning: { ...data.tuning, compared: [{ method: 'gda', accuracy, nll }] } });
    expect(withResult(0.9, 0.4)).toEqual([]);
    for (const [accuracy, nll] of [
      [0.5, 0.4],
      [0.9, Math.log(2)],
    ] as const)
      expect(withResult(accuracy, nll)).toMatchObject([{ level: 'warning', code: 'fit/chance' }]);
  });

  it('learns from train, or if it is empty from pictures of no split, and never from val or test', async () => {
    const photos = await writePictures(at('halves'), { cat: 4, dog: 4 });
    const rows = (splits: string[]) =>
      ['cat', 'dog'].flatMap((name) => splits.map((split, i) => `${name}/${i}.png,${name},${split}`));
    const learnt = async (splits: string[]) => {
      await writeFiles(photos, { 'index.csv': ['path,label,split', ...rows(splits)].join('\n') });
      const { data } = await fitted(photos);
      return data.examples.map(({ id }) => id).filter((id) => id.startsWith('cat'));
    };
    expect(await learnt(['training', 'training', 'testing', 'dev'])).toEqual(['cat/0.png', 'cat/1.png']);
    expect(await learnt(['', '', 'testing', 'testing'])).toEqual(['cat/0.png', 'cat/1.png']);
    await expect(learnt(['test', 'test', 'val', 'val'])).rejects.toMatchObject({
      code: 'dataset/no-train',
      message: expect.stringContaining('all pictures are in test and val'),
    });
    await expect(learnt(['a', 'a', 'b', 'b'])).rejects.toMatchObject({ code: 'dataset/unknown-split' });
  });

  it('refuses data without two classes or without a readable picture, and closes what it opened', async () => {
    const one = await writePictures(at('one'), { cat: 2 });
    await expect(fit(one, { encoder })).rejects.toMatchObject({
      code: 'fit/one-class',
      exitCode: 3,
      message: expect.stringContaining('cat'),
    });
    await mkdir(at('none/cat'), { recursive: true });
    await mkdir(at('none/dog'));
    const none = await fit(at('none'), { encoder }).catch((error) => error);
    expect(none).toBeInstanceOf(DataError);
    expect(none.hint).toBeTruthy();
    const unreadable = await writeFiles(at('unreadable'), { 'cat/1.jpg': 'text', 'dog/1.jpg': 'text' });
    await expect(fit(unreadable, { encoder })).rejects.toMatchObject({
      code: 'fit/no-pictures',
      exitCode: 3,
    });
    await expect(fit(at('nowhere'), { encoder })).rejects.toMatchObject({ exitCode: 3 });
  });

  it('reports a picture under two classes, and continues; copies in one class share a group', async () => {
    const photos = await writePictures(at('copies'), { cat: 3, dog: 3 });
    await writeFiles(photos, {
      'dog/stray.png': await picture('cat', 0),
      'cat/copy.png': await picture('cat', 1),
    });
    const classifier = await fitted(photos);
    const finding = classifier.findings.find(({ code }) => code === 'dataset/same-picture');
    expect(finding?.paths?.toSorted()).toEqual(['cat/0.png', 'dog/stray.png']);
    expect(countsOf(classifier)).toEqual({ cat: 4, dog: 4 });
    const { examples, support } = classifier.data;
    const group = (id: string) => support.groups[examples.findIndex((example) => example.id === id)];
    expect(group('cat/copy.png')).toBe(group('cat/1.png'));
    expect(group('dog/stray.png')).toBe(group('cat/0.png'));
    expect(new Set(support.groups).size).toBe(6);
  });

  it('draws shots by the seed, nested, and names classes that have fewer', async () => {
    const photos = await writePictures(at('shots'), { cat: 6, dog: 2 });
    const ids = async (shots: number, seed = 1) =>
      (await fitted(photos, { shots, seed })).data.examples.map(({ id }) => id);
    const four = await fitted(photos, { shots: 4 });
    expect(countsOf(four)).toEqual({ cat: 4, dog: 2 });
    expect(four.findings).toContainEqual(
      expect.objectContaining({
        code: 'dataset/few-pictures',
        message: expect.stringMatching(/^1 class has fewer than 4 pictures: "dog \(2\)"/),
      }),
    );
    const drawn = four.data.examples.map(({ id }) => id);
    expect(await ids(4)).toEqual(drawn);
    expect(drawn).toEqual(expect.arrayContaining(await ids(2)));
    expect(await ids(4, 3)).not.toEqual(drawn);
  });

  it('fits only to the train split if there is one', async () => {
    await writePictures(at('splits/train'), { cat: 2, dog: 2 });
    await writePictures(at('splits/test'), { cat: [7], dog: [7] });
    const classifier = await fitted(at('splits'));
    expect(classifier.data.examples.every(({ id }) => id.startsWith('train/'))).toBe(true);
  });

  it('encodes nothing a second time', async () => {
    const before = encoder.asked.images;
    await fitted(await writePictures(at('again'), { wolf: 2, bear: 3 }));
    expect(encoder.asked.images - before).toBe(5);
    await fitted(at('again'));
    expect(encoder.asked.images - before).toBe(5);
  });

  it('encodes view 0 and each augmented view; keys are the mean of the augmented ones', async () => {
    const photos = await writePictures(at('views'), { cat: 2, dog: 3 });
    const { data } = await fitted(photos, { views: 3 });
    const { features, example, view, labels } = data.support;
    expect(features.rows).toBe(20);
    for (const e of labels.keys()) {
      const rows = [...example.keys()].filter((r) => example[r] === e);
      expect(rows.map((r) => view[r])).toEqual([0, 1, 2, 3]);
      const unit = (x: Float32Array | number[]) => {
        const length = Math.hypot(...x);
        return Array.from(x, (value) => value / length);
      };
      const augmented = rows.filter((r) => view[r]! > 0).map((r) => unit(row(features, r)));
      expect(augmented[0]).not.toEqual(augmented[1]);
      const mean = unit(augmented[0]!.map((_, j) => augmented.reduce((sum, x) => sum + x[j]!, 0)));
      row(keysOf(data.support), e).forEach((x, j) => {
        expect(x).toBeCloseTo(mean[j]!, 5);
      });
    }
  });

  it.each(['zero-shot', 'visual-only', 'prototype'] as const)(
    '%s is unchanged after saving and loading',
    async (method) => {
      const photos = await writePictures(at('methods'), { cat: 3, dog: 3 });
      const classifier = await fitted(photos, { method });
      await classifier.save(at(`${method}.safetensors`));
      const loaded = await load(at(`${method}.safetensors`), { encoder });
      open.push(loaded);
      expect(loaded.data).toEqual(classifier.data);
      const dog = [at('methods/dog/1.png')];
      expect(await loaded.predict(dog)).toEqual(await classifier.predict(dog));
    },
  );
});

describe('choosing alpha and beta', () => {
  it('keeps given values', async () => {
    const photos = await writePictures(at('given'), { cat: 2, dog: 2 });
    const { data } = await fitted(photos, { tune: 'fixed', alpha: 0, beta: 2 });
    expect(data).toMatchObject({ state: { alpha: 0, beta: 2 }, tuning: { protocol: 'fixed' } });
    await expect(fit(photos, { encoder, alpha: -1 })).rejects.toMatchObject({ exitCode: 2 });
  });

  it('tunes on the test split as the published code does, and says so', async () => {
    await writePictures(at('paper/train'), { cat: 3, dog: 3 });
    await writePictures(at('paper/test'), { cat: [8, 9], dog: [8] });
    const classifier = await fitted(at('paper'), { tune: 'paper', prompts: 'cars' });
    expect(classifier.data.tuning).toMatchObject({ protocol: 'paper', judges: 3, folds: 0 });
    const { protocol, total } = await classifier.evaluate(at('paper'));
    expect([protocol, total]).toEqual(['paper', 3]);
    await expect(fit(at('paper/train'), { encoder, tune: 'paper' })).rejects.toMatchObject({
      code: 'fit/no-validation',
    });
  });

  it('tunes on a validation split; refuses if there is none or if they are also given', async () => {
    await writePictures(at('val/train'), { cat: 3, dog: 3 });
    await writePictures(at('val/val'), { cat: [8, 9], dog: [8] });
    await writeFiles(at('val/val'), { 'dog/broken.png': 'broken' });
    const { data, findings } = await fitted(at('val'), { tune: 'val' });
    expect(data.tuning).toMatchObject({ protocol: 'val', judges: 3, folds: 0 });
    expect(data.examples).toHaveLength(6);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'fit/unreadable' }));
    await expect(fit(at('val'), { encoder, tune: 'val', alpha: 1 })).rejects.toMatchObject({
      code: 'fit/tune',
      exitCode: 2,
    });
    const without = await readDataset(at('val/train'));
    await expect(fit(without, { encoder, tune: 'val' })).rejects.toMatchObject({
      code: 'fit/no-validation',
      exitCode: 3,
    });
  });
});
