import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleFewShot, shortClasses } from './few-shot.ts';
import { splitDataset, withoutLeaks } from './split.ts';
import type { Dataset, Example } from './types.ts';

/** A data set from rows of class and group; a group of 0 is none. */
function dataset(rows: { label: number; group: number }[]): Dataset {
  const examples = rows.map(({ label, group }, i): Example => {
    const id = `${label}/${i}.jpg`;
    return { id, label, ...(group > 0 && { group: `g${group}` }), read: async () => new Uint8Array() };
  });
  const classes = ['a', 'b', 'c', 'd'].map((id) => ({ id, name: id, promptName: id, prompts: [] }));
  return { name: 'test', root: '/test', classes, examples, findings: [] };
}

const rows = fc.array(
  fc.record({ label: fc.integer({ min: -1, max: 3 }), group: fc.integer({ min: 0, max: 6 }) }),
  {
    maxLength: 40,
  },
);
const draw = fc.record({ shots: fc.integer({ min: 0, max: 9 }), seed: fc.integer() });
const ids = (data: Dataset, indices: number[]) => indices.map((i) => data.examples[i]!.id);

describe('sampleFewShot', () => {
  it('begins every longer draw of a class with its k-shot draw', () => {
    fc.assert(
      fc.property(rows, draw, (all, { shots, seed }) => {
        const data = dataset(all);
        const few = sampleFewShot(data, { shots, seed });
        const more = sampleFewShot(data, { shots: shots + 3, seed });
        for (const label of [0, 1, 2, 3]) {
          const of = (drawn: number[]) => drawn.filter((i) => data.examples[i]!.label === label);
          expect(of(more).slice(0, of(few).length)).toEqual(of(few));
          const there = data.examples.filter((example) => example.label === label).length;
          expect(of(few)).toHaveLength(Math.min(shots, there));
        }
      }),
    );
  });

  it('draws a class independently of other classes and of the order', () => {
    fc.assert(
      fc.property(rows, draw, (all, options) => {
        const data = dataset(all);
        const drawn = ids(data, sampleFewShot(data, options)).filter((id) => id.startsWith('1/'));
        const alone = { ...data, examples: data.examples.filter(({ label }) => label === 1).reverse() };
        expect(ids(alone, sampleFewShot(alone, options))).toEqual(drawn);
        const renumbered = {
          ...data,
          classes: [{ id: 'new', name: 'new', promptName: 'new', prompts: [] }, ...data.classes],
          examples: data.examples
            .map((example) => ({ ...example, label: example.label + 1 }))
            .filter(({ label }) => label > 0),
        };
        expect(
          ids(renumbered, sampleFewShot(renumbered, options)).filter((id) => id.startsWith('1/')),
        ).toEqual(drawn);
      }),
    );
  });

  it('takes one picture of every group before it takes a second of any group', () => {
    fc.assert(
      fc.property(rows, draw, (all, options) => {
        const data = dataset(all);
        const unit = ({ group, id }: Example) => group ?? id;
        for (const label of [0, 1, 2, 3]) {
          const drawn = sampleFewShot(data, options).filter((i) => data.examples[i]!.label === label);
          const units = new Set(data.examples.filter((example) => example.label === label).map(unit));
          expect(new Set(drawn.map((i) => unit(data.examples[i]!))).size).toBe(
            Math.min(drawn.length, units.size),
          );
        }
      }),
    );
  });

  it('draws every picture equally often, and different ones for another seed', () => {
    const data = dataset(Array.from({ length: 10 }, () => ({ label: 0, group: 0 })));
    const times = new Array(10).fill(0);
    for (let seed = 0; seed < 2000; seed++)
      for (const i of sampleFewShot(data, { shots: 2, seed })) times[i]++;
    for (const n of times) expect(Math.abs(n - 400)).toBeLessThan(100);
  });

  it('keeps the draw when a picture outside of it is added or removed', () => {
    const data = dataset(Array.from({ length: 12 }, () => ({ label: 0, group: 0 })));
    const drawn = ids(data, sampleFewShot(data, { shots: 4, seed: 1 }));
    const fewer = {
      ...data,
      examples: data.examples.filter(({ id }, i) => drawn.includes(id) || i % 2 === 0),
    };
    expect(ids(fewer, sampleFewShot(fewer, { shots: 4, seed: 1 }))).toEqual(drawn);
  });

  it('draws from labels alone and from one split; does not draw unlabelled pictures', () => {
    const drawn = sampleFewShot(
      { labels: [1, -1, 0, 1, 1], groups: [undefined, 'x', 'x', 'y', 'y'] },
      { shots: 2, seed: 3 },
    );
    expect(drawn.filter((i) => i === 2)).toHaveLength(1);
    expect(drawn).toContain(0);
    expect(drawn).toHaveLength(3);
    const data = dataset([
      { label: 0, group: 0 },
      { label: 0, group: 0 },
    ]);
    data.examples[1]!.split = 'train';
    expect(sampleFewShot(data, { shots: 5, seed: 1, split: 'train' })).toEqual([1]);
  });

  it('names classes with too few pictures, and refuses half a shot', () => {
    const data = dataset([
      { label: 0, group: 0 },
      { label: 0, group: 0 },
      { label: 1, group: 0 },
    ]);
    const drawn = sampleFewShot(data, { shots: 2, seed: 1 }).map((i) => data.examples[i]!);
    const [finding] = shortClasses(data.classes, drawn, 2);
    expect(finding?.message).toBe('3 classes have fewer than 2 pictures: "b (1)", "c (0)", "d (0)"');
    expect(shortClasses(data.classes, drawn, Number.POSITIVE_INFINITY)).toEqual([]);
    expect(() => sampleFewShot(data, { shots: 1.5, seed: 1 })).toThrow(
      expect.objectContaining({ code: 'dataset/shots' }),
    );
  });
});

describe('splitDataset', () => {
  it('keeps groups together, gives both splits of every class with two units, and does not depend on the order', () => {
    fc.assert(
      fc.property(
        rows,
        fc.integer(),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (all, seed, testFraction) => {
          // Groups within a class, as a burst is.
          const data = dataset(
            all.map(({ label, group }) => ({ label, group: group && group * 10 + label })),
          );
          const unit = ({ group, id }: Example) => group ?? id;
          const units = (label: number) =>
            new Set(data.examples.filter((example) => example.label === label).map(unit)).size;
          if ([0, 1, 2, 3].every((label) => units(label) < 2)) return;
          const { examples } = splitDataset(data, { testFraction, seed });
          const sides = new Map<string, Set<string | undefined>>();
          for (const example of examples) {
            if (example.label < 0) expect(example.split).toBeUndefined();
            else sides.set(unit(example), (sides.get(unit(example)) ?? new Set()).add(example.split));
          }
          for (const side of sides.values()) expect(side.size).toBe(1);
          for (const label of [0, 1, 2, 3]) {
            const splits = new Set(
              examples.filter((example) => example.label === label).map(({ split }) => split),
            );
            expect(splits.size).toBe(Math.min(2, units(label)));
          }
          const reversed = splitDataset(
            { ...data, examples: [...data.examples].reverse() },
            { testFraction, seed },
          );
          expect([...reversed.examples].reverse().map(({ split }) => split)).toEqual(
            examples.map(({ split }) => split),
          );
        },
      ),
    );
  });

  it('also keeps a group of several classes together', () => {
    fc.assert(
      fc.property(rows, fc.integer(), (all, seed) => {
        let data = dataset(all);
        try {
          data = splitDataset(data, { testFraction: 'auto', seed });
        } catch (error) {
          expect(error).toMatchObject({ code: 'dataset/too-few-to-split' });
          return;
        }
        expect(withoutLeaks(data)).toBe(data);
      }),
    );
  });

  it('tests on three tenths, keeps val and an existing test split', () => {
    const data = dataset(Array.from({ length: 20 }, (_, i) => ({ label: 0, group: i < 2 ? 1 : 0 })));
    const testing = (d: Dataset) => d.examples.filter(({ split }) => split === 'test').length;
    expect(testing(splitDataset(data, { testFraction: 'auto', seed: 1 }))).toBeGreaterThanOrEqual(6);
    data.examples[0]!.split = 'val';
    const split = splitDataset(data, { testFraction: 0.5, seed: 1 });
    expect(split.examples.slice(0, 2).map((example) => example.split)).toEqual(['val', 'val']);
    expect(testing(split)).toBe(9);
    expect(splitDataset(split, { testFraction: 0.1, seed: 2 })).toBe(split);
  });

  it('refuses a share of 1 and a data set that cannot be split', () => {
    const data = dataset([
      { label: 0, group: 0 },
      { label: 1, group: 0 },
    ]);
    expect(() => splitDataset(data, { testFraction: 1, seed: 1 })).toThrow(
      expect.objectContaining({ code: 'dataset/test-fraction' }),
    );
    expect(() => splitDataset(data, { testFraction: 'auto', seed: 1 })).toThrow(
      expect.objectContaining({ code: 'dataset/too-few-to-split' }),
    );
  });
});

describe('withoutLeaks', () => {
  it('leaves pictures out of train that are also in val or test, and reports them', () => {
    const data = dataset([1, 1, 2, 2, 3, 0].map((group) => ({ label: 0, group })));
    const splits = ['train', 'test', 'train', 'val', 'train', 'train'] as const;
    for (const [i, split] of splits.entries()) data.examples[i]!.split = split;
    const clean = withoutLeaks(data);
    expect(clean.examples.map(({ id }) => id)).toEqual(['0/1.jpg', '0/3.jpg', '0/4.jpg', '0/5.jpg']);
    expect(clean.findings[0]).toMatchObject({ code: 'dataset/split-leak', paths: ['0/0.jpg', '0/2.jpg'] });
  });
});
