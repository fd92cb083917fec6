import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeClasses } from './classes.ts';
import { doubtFindings, doubtsOf } from './doubts.ts';
import { ownFolder, warnings } from './folder.fixture.ts';
import { overviewOf, sizesText } from './overview.ts';
import { listPictures } from './pictures.ts';
import { readDataset } from './read.ts';
import type { Finding } from './types.ts';

const at = ownFolder();
const named = (...names: string[]) => names.map((id) => ({ id, name: id, promptName: id, prompts: [] }));
const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code.slice('dataset/'.length));

describe('doubts', () => {
  it.each([
    [['cat', 'dog'], []],
    [['car', 'train', 'plane'], []],
    [['cat'], ['one-class']],
    [['cat', 'images'], ['part-names']],
    [['train', 'test', 'cat'], ['part-names']],
    [['n01440764', 'n01443537'], ['codes']],
    [['0', '1', '2'], ['codes']],
    [['class_1', 'class_2'], ['codes']],
    [['cafe', 'facade'], []],
    [['0', 'cat'], []],
  ])('%j: %j', (names, codes) => {
    const { classes, findings } = describeClasses(names);
    const all = [...findings, ...doubtFindings(classes)];
    expect(codesOf(doubtsOf({ classes, findings: all }))).toEqual(codes);
  });

  it('are warnings of a data set, unless a table names the codes', async () => {
    await at.write('1/a.jpg', '2/b.jpg');
    expect(warnings(await readDataset(at.root))).toEqual(['codes']);
    await at.write(['classes.csv', 'id,name\n1,cat\n2,dog\n']);
    expect(warnings(await readDataset(at.root))).toEqual([]);
  });
});

describe('the folder into which predict --copy-to puts pictures that it is not sure of', () => {
  it('is not a class beside other folders, and its pictures have no label', async () => {
    await at.write('cat/1.jpg', 'dog/1.jpg', 'unsure/1.jpg');
    const dataset = await readDataset(at.root);
    expect(dataset.classes.map(({ id }) => id)).toEqual(['cat', 'dog']);
    expect(dataset.examples.map(({ id, label }) => [id, label])).toContainEqual(['unsure/1.jpg', -1]);
    expect(warnings(dataset)).toEqual(['unsure']);
  });
});

describe('an overview', () => {
  it('counts every picture once, whatever its label and split', () => {
    const examples = fc.array(
      fc.record({
        label: fc.integer({ min: -1, max: 2 }),
        split: fc.constantFrom(undefined, 'train' as const, 'val' as const, 'test' as const),
      }),
    );
    fc.assert(
      fc.property(examples, (own) => {
        const listed = own.map((one, i) => ({ id: String(i), read: async () => new Uint8Array(), ...one }));
        const overview = overviewOf({ classes: named('a', 'b', 'c'), examples: listed });
        const sum = overview.classes.reduce((total, { pictures }) => total + pictures, 0);
        expect(sum + overview.unlabelled).toBe(own.length);
        expect(overview.pictures).toBe(own.length);
        for (const split of ['train', 'val', 'test'] as const)
          expect(overview[split]).toBe(own.filter((one) => one.split === split).length);
      }),
    );
  });

  it('names the smallest and the largest class that have pictures', async () => {
    await at.write('ant/1.jpg', 'bee/1.jpg', 'bee/2.jpg', 'bee/3.jpg', 'cow/');
    const text = sizesText(overviewOf(await readDataset(at.root)));
    expect(text).toBe('The smallest class has 1 picture ("ant"), the largest 3 ("bee").');
  });
});

describe('an error that ends the reading', () => {
  const failureOf = async (): Promise<Finding[]> => {
    const error = await readDataset(at.root).catch((thrown) => thrown);
    expect(error.exitCode).toBe(3);
    return error.details.findings ?? [];
  };

  it('carries the findings before it: an index without a path, formats, archives', async () => {
    await at.write(['index.csv', 'name,kind\na,b\n'], 'a.bmp', 'b.rar');
    const found = await failureOf();
    expect(found.map(({ message }) => message).join('\n')).toMatch(
      /index\.csv is not used, because it has no columns path and label[\s\S]*1 picture is left out, because its format is not supported[\s\S]*1 archive inside/,
    );
  });

  it('does not carry findings that its message repeats', async () => {
    await at.write('notes/');
    expect(await failureOf()).toEqual([]);
  });
});

it('an example and its copy are read by their own path, and a detached read function throws', async () => {
  await at.write(['cat/1.jpg', 'bytes'], 'dog/1.jpg');
  const [example] = (await readDataset(at.root)).examples;
  expect(Buffer.from(await { ...example!, label: 1 }.read()).toString()).toBe('bytes');
  const { read } = example!;
  expect(() => read()).toThrow(expect.objectContaining({ code: 'dataset/detached' }));
});

describe('pictures without classes', () => {
  it('are listed by the rules of data sets, with what is left out', async () => {
    await at.write('a.jpg', 'deep/b.png', 'c.bmp', 'Thumbs.db', 'train.txt', '.own/d.jpg', 'notes');
    const { pictures, findings } = await listPictures(at.root);
    expect(pictures.map(({ path }) => path)).toEqual(['a.jpg', 'deep/b.png']);
    expect(codesOf(findings)).toEqual(['leftovers', 'unread-formats', 'not-images', 'hidden']);
  });

  it('are read through links to places outside the folder only with the option, as for data sets', async () => {
    await at.write('given/', 'elsewhere/a.jpg');
    await symlink(join(at.root, 'elsewhere'), join(at.root, 'given', 'link'));
    const without = await listPictures(join(at.root, 'given'));
    expect(without.pictures).toEqual([]);
    expect(codesOf(without.findings)).toEqual(['link-outside']);
    const { pictures } = await listPictures(join(at.root, 'given'), { followLinks: true });
    expect(pictures.map(({ path }) => path)).toEqual(['link/a.jpg']);
  });
});
