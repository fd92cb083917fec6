import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matrix } from '../math/matrix.ts';
import { plainRows } from '../methods/task.ts';
import type { Classifier } from './classifier.ts';
import { fakeEncoder, picture, workspace, writeFiles, writePictures } from './fake-encoder.fixture.ts';
import { type FitOptions, fit } from './fit.ts';

const at = workspace();
const encoder = fakeEncoder();
const FIXED = { tune: 'fixed', alpha: 2, beta: 4, thumbnails: false } as const;
const open: Classifier[] = [];
let base: Classifier;

/** Fits to pictures of these classes. */
async function fitted(name: string, classes: Record<string, number | number[]>, options: FitOptions = {}) {
  const classifier = await fit(await writePictures(at(name), classes), { ...FIXED, encoder, ...options });
  open.push(classifier);
  return classifier;
}

/** The requests to the encoder meanwhile. */
async function asked<T>(work: () => Promise<T>): Promise<[result: T, images: number, texts: string[]]> {
  const before = { images: encoder.asked.images, texts: encoder.asked.texts.length };
  const result = await work();
  return [result, encoder.asked.images - before.images, encoder.asked.texts.slice(before.texts)];
}

/** Asserts that both give the same scores for each class, in any order of the classes. */
async function expectSameScores(a: Classifier, b: Classifier) {
  const queries = plainRows(base.data.support);
  const [x, y] = [await a.scores(queries), await b.scores(queries)];
  const ids = a.data.classes.map(({ id }) => id);
  expect(ids.toSorted()).toEqual(b.data.classes.map(({ id }) => id).toSorted());
  const order = ids.map((id) => b.data.classes.findIndex((info) => info.id === id));
  const aligned = matrix(
    y.rows,
    y.cols,
    Float32Array.from(x.data, (_, i) => y.data[i - (i % y.cols) + order[i % y.cols]!]!),
  );
  expect(x.rows).toBeGreaterThan(0);
  x.data.forEach((score, i) => {
    expect(Math.abs(score - aligned.data[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(score)));
  });
}

const named = (kind: string, numbers: number[], label = kind) =>
  Promise.all(numbers.map(async (number) => ({ image: await picture(kind, number), label })));

beforeAll(async () => {
  base = await fitted('base', { cat: 3, dog: 2, fox: 4 });
});
afterAll(() => Promise.all(open.map((classifier) => classifier.close())));

describe('adding', () => {
  it('examples gives the scores of a fresh fit, and encodes only what is new', async () => {
    const added = await named('dog', [5, 6, 0]);
    const [grown, images, texts] = await asked(() => base.add(added));
    expect([images, texts]).toEqual([2, []]);
    expect(grown.findings).toMatchObject([{ code: 'add/known' }]);
    expect(grown.data).toMatchObject({ version: 2, tuning: base.data.tuning });
    await expectSameScores(grown, await fitted('more dogs', { cat: 3, dog: [0, 1, 5, 6], fox: 4 }));
    expect(base.data.examples).toHaveLength(9);
  });

  it('a class gives the scores of a fresh fit, and encodes only its pictures and prompts', async () => {
    const [grown, images, texts] = await asked(async () =>
      base.add(await named('barn owl', [0, 1], 'barn_owl')),
    );
    expect([images, texts]).toEqual([2, ['a photo of a barn owl.']]);
    expect(grown.data.classes.map(({ id }) => id)).toEqual(['cat', 'dog', 'fox', 'barn_owl']);
    await expectSameScores(grown, await fitted('owls', { cat: 3, dog: 2, fox: 4, barn_owl: 2 }));
  });

  it('a data set matches its classes by name', async () => {
    const { readDataset } = await import('../dataset/read.ts');
    await writePictures(at('album'), { DOG: [7, 8], owl: [1] });
    const grown = await base.add(await readDataset(at('album')));
    expect(grown.data.classes.map(({ id }) => id)).toEqual(['cat', 'dog', 'fox', 'owl']);
    await expectSameScores(
      grown,
      await fitted('album and base', { cat: 3, dog: [0, 1, 7, 8], fox: 4, owl: [1] }),
    );
  });

  it('a data set leaves out its held-out splits and reports its findings', async () => {
    const { readDataset } = await import('../dataset/read.ts');
    await writePictures(at('split/train'), { dog: [7], owl: [1] });
    await writePictures(at('split/test'), { dog: [8], owl: [2] });
    await writeFiles(at('split'), { 'notes.txt': 'text' });
    const grown = await base.add(await readDataset(at('split')));
    expect(grown.data.examples.slice(9).map(({ id }) => id)).toEqual(['train/dog/7.png', 'train/owl/1.png']);
    expect(grown.findings.map(({ code }) => code)).toEqual([
      'dataset/found',
      'dataset/not-images',
      'dataset/held-out',
    ]);
  });

  it('tells of a name that counts as a class written in another way', async () => {
    const upper = await base.add(await named('dog', [5], 'DOG'));
    expect(upper.data.classes).toHaveLength(3);
    const told = { level: 'info', code: 'add/respelled', paths: ['"DOG" as "dog"'] };
    expect(upper.findings).toMatchObject([told]);
    const { readDataset } = await import('../dataset/read.ts');
    await writePictures(at('shouted'), { DOG: [7], owl: [1] });
    expect((await base.add(await readDataset(at('shouted')))).findings).toContainEqual(
      expect.objectContaining(told),
    );
  });

  it('refuses a class of the name that predict gives its folder of unsure pictures', async () => {
    await expect(base.add(await named('owl', [1], 'Unsure'))).rejects.toMatchObject({ code: 'add/label' });
  });

  it('names a new class without a readable picture', async () => {
    await writeFiles(at(), { 'owl.png': 'text' });
    const grown = await base.add([{ image: at('owl.png'), label: 'owl' }, ...(await named('cat', [9]))]);
    expect(grown.findings.find(({ code }) => code === 'add/emptied-class')?.paths).toEqual(['owl']);
  });

  it('accepts any spelling of the name of a known class', async () => {
    const grown = await base.add(await named('cat', [11], '\u200bCAT\u00a0'));
    expect(grown.data.classes).toEqual(base.data.classes);
  });

  it('adds augmented views of the new examples if the classifier has them', async () => {
    const small = await fitted('views', { cat: [0], dog: [0] }, { views: 3 });
    const [grown, images] = await asked(async () => small.add(await named('cat', [60])));
    expect(images).toBe(4);
    await expectSameScores(grown, await fitted('more views', { cat: [0, 60], dog: [0] }, { views: 3 }));
  });

  it('puts each new example into its own group, so that none is left out with another', async () => {
    const grown = await base.add(await named('dog', [5, 6]));
    const { groups } = grown.data.support;
    expect(new Set(groups).size).toBe(groups.length);
  });

  it('skips and names unreadable pictures, and throws if there is no other', async () => {
    await writeFiles(at(), { 'broken.png': 'broken' });
    const broken = { image: at('broken.png'), label: 'cat' };
    const grown = await base.add([broken, ...(await named('cat', [9]))]);
    expect(grown.findings).toMatchObject([
      { code: 'add/unreadable', paths: [expect.stringContaining('broken.png')] },
    ]);
    expect(grown.data.examples).toHaveLength(10);
    await expect(base.add([broken])).rejects.toMatchObject({ exitCode: 3 });
    for (const label of [' ', 3 as unknown as string]) {
      const added = base.add([{ ...broken, label }]);
      await expect(added).rejects.toMatchObject({ code: 'add/label', exitCode: 2 });
    }
  });

  it('names the pictures that are examples of another class', async () => {
    const grown = await base.add([
      { image: { id: 'a.png', read: () => picture('cat', 0) }, label: 'dog' },
      { image: { id: 'b.png', read: () => picture('owl', 0) }, label: 'dog' },
      { image: { id: 'c.png', read: () => picture('owl', 0) }, label: 'fox' },
    ]);
    expect(grown.findings).toMatchObject([
      {
        level: 'warning',
        code: 'add/same-picture',
        message: '2 pictures are examples of two classes',
        paths: ['a.png is "dog", and as cat/0.png "cat"', 'c.png is "fox", and as b.png "dog"'],
      },
    ]);
    expect((await grown.add(await named('fox', [9]))).findings).toEqual([]);
  });

  it('names pictures that are nearly the same as an example of another class', async () => {
    const again = await sharp(await picture('cat', 0))
      .jpeg({ quality: 95 })
      .toBuffer();
    const other = await picture('dog', 30);
    const { findings } = await base.add([
      { image: again, label: 'dog' },
      { image: other, label: 'dog' },
    ]);
    expect(findings).toEqual([
      expect.objectContaining({
        level: 'warning',
        code: 'add/near-duplicate',
        paths: [expect.stringMatching(/ is "dog", and cat\/0\.png "cat"$/)],
      }),
    ]);
  });

  it('gives examples with equal names different names, so that each can be removed', async () => {
    const upload = (number: number) => ({
      image: { id: 'cat/0.png', read: () => picture('cat', number) },
      label: 'cat',
    });
    const grown = await base.add([upload(20), upload(21)]);
    expect(grown.data.examples.slice(-2).map(({ id }) => id)).toEqual(['cat/0.png (2)', 'cat/0.png (3)']);
    const back = await grown.remove({ examples: ['cat/0.png (2)', 'cat/0.png (3)'] });
    await expectSameScores(back, base);
  });
});

describe('removing', () => {
  it('an example gives the scores of a fresh fit, and encodes nothing', async () => {
    const [smaller, images, texts] = await asked(() => base.remove({ examples: ['fox/1.png', 'cat/0.png'] }));
    expect([images, texts]).toEqual([0, []]);
    await expectSameScores(smaller, await fitted('fewer', { cat: [1, 2], dog: 2, fox: [0, 2, 3] }));
  });

  it('a class by id or shown name in any case gives the scores of a fresh fit, and encodes nothing', async () => {
    const [smaller, images, texts] = await asked(() => base.remove({ classes: ['Dog'] }));
    expect([images, texts]).toEqual([0, []]);
    await expectSameScores(smaller, await fitted('no dogs', { cat: 3, fox: 4 }));
    const { classes, head } = smaller.data;
    expect(head?.prompts).toEqual(classes.map(({ name }) => [`a photo of a ${name}.`]));
  });

  it('the last example of a class keeps the class with its name', async () => {
    const smaller = await base.remove({ examples: ['dog/0.png', 'dog/1.png'] });
    await expectSameScores(smaller, await fitted('dogs by name', { cat: 3, dog: 0, fox: 4 }));
  });

  it('undoes adding, also through a file', async () => {
    const grown = await base.add(await named('owl', [0, 1]));
    await grown.save(at('grown.safetensors'));
    const { load } = await import('./classifier.ts');
    const loaded = await load(at('grown.safetensors'), { encoder });
    open.push(loaded);
    await expectSameScores(await loaded.remove({ classes: ['owl'] }), base);
  });

  it('refuses unknown names with the nearest name, and a change that leaves fewer than two classes', async () => {
    await expect(base.remove({ classes: ['doge'] })).rejects.toMatchObject({
      code: 'class/unknown',
      exitCode: 2,
      hint: expect.stringMatching(/^Did you mean "dog"\?/),
    });
    await expect(base.remove({ classes: ['penguin'] })).rejects.toMatchObject({
      code: 'class/unknown',
      hint: expect.stringMatching(/^Its classes are /),
    });
    await expect(base.remove({ examples: ['cat/7.png'] })).rejects.toMatchObject({
      code: 'example/unknown',
      hint: expect.stringMatching(/^Did you mean "cat.\d.png"\?/),
    });
    await expect(base.remove({ classes: ['dog', 'cat'] })).rejects.toMatchObject({
      code: 'remove/last-classes',
    });
    const everything = base.data.examples.map(({ id }) => id);
    await expect(base.remove({ examples: everything })).rejects.toMatchObject({
      code: 'method/needs',
      exitCode: 2,
    });
  });
});
