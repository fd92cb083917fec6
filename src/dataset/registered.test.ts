import { describe, expect, it } from 'vitest';
import { failure, finding, labelled, ownFolder } from './folder.fixture.ts';
import { type Layout, type LayoutResult, readDataset, registerLayout } from './index.ts';

const own = ownFolder();

/** A layout for trees with a file `mark`, which returns what the test gives. */
let answer: (files: readonly LayoutResult['pictures'][number]['file'][]) => LayoutResult;
const marked: Layout = registerLayout({
  id: 'marked',
  about: 'pictures beside a file named mark',
  async read({ files }) {
    const mark = files.find(({ path }) => path === 'mark');
    if (!mark) return undefined;
    const pictures = files.filter(({ path }) => path.endsWith('.png'));
    return { files: [mark], ...answer(pictures) };
  },
});

describe("a user's own layout", () => {
  it('comes before the built-in ones, with all fields of its result', async () => {
    await own.write('mark', 'a/1.png', 'b/2.png', 'b/notes.txt', ['index.csv', 'path,label\na/1.png,x']);
    answer = ([one, two]) => ({
      pictures: [
        { file: one!, label: ' n1\u200b', split: 'train' },
        { file: two!, label: 'n2', split: 'test', group: 'g' },
      ],
      classIds: ['n1', 'n2', 'n3'],
      names: new Map([['n1', 'first']]),
      order: ['n3', 'n2', 'n1'],
    });
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['a/1.png n1 train', 'b/2.png n2 test']);
    expect(dataset.classes.map(({ name }) => name)).toEqual(['first', 'n2', 'n3']);
    expect(dataset.order).toEqual([2, 1, 0]);
    expect(finding(dataset, 'found')?.message).toMatch(/read from pictures beside a file named mark\.$/);
    expect(finding(dataset, 'not-images')?.paths).toEqual(['b/notes.txt', 'index.csv']);
  });

  it('leaves other data to the built-in ones', async () => {
    await own.write('a/1.png', 'b/2.png');
    expect(labelled(await readDataset(own.root))).toEqual(['a/1.png a', 'b/2.png b']);
  });

  const png = { path: '1.png', read: async () => new Uint8Array() };
  it.each<[string, unknown]>([
    ['no list of pictures', {}],
    ['a picture without a file of the tree', { pictures: [{ label: 'a' }] }],
    [
      'the picture 1.png twice',
      {
        pictures: [
          { file: png, label: 'a' },
          { file: png, label: 'b' },
        ],
      },
    ],
    ['a label of 1.png that is not a text', { pictures: [{ file: png, label: 3 }] }],
    ['the split "dev" of 1.png', { pictures: [{ file: png, label: 'a', split: 'dev' }] }],
    ['no picture with a label', { pictures: [{ file: png }] }],
  ])('is refused if it returned %s', async (what, result) => {
    await own.write('mark', '1.png');
    answer = () => result as LayoutResult;
    const refusal = readDataset(own.root);
    await expect(refusal).rejects.toEqual(failure('layout'));
    await expect(refusal).rejects.toThrow(`The layout "marked" returned ${what}`);
  });

  it('must have an id that no other layout has', () => {
    expect(registerLayout(marked)).toBe(marked);
    for (const id of ['marked', 'folders'])
      expect(() => registerLayout({ ...marked, id })).toThrow(`There are two layouts "${id}"`);
  });
});
