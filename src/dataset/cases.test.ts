import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFeatureDump } from './feature-dump.ts';
import { finding } from './folder.fixture.ts';
import { readDataset } from './read.ts';
import type { Split } from './types.ts';

/** Inputs that caused trouble in practice. The tests beside this file also have a small input for each. */
const cases = join(import.meta.dirname, '../../../shared/cases');

const FOODS = ['apple pie', 'baby back ribs', 'baklava'];
const ANIMALS = ['brontosaurus', 'buddha', 'butterfly'];

describe.skipIf(!existsSync(cases))('shared test inputs (skipped if ../shared/cases is missing)', () => {
  /** Classes and the number of pictures, by split if there are splits. */
  const read = async (path: string) => {
    const dataset = await readDataset(join(cases, path));
    const of = (split?: Split) => dataset.examples.filter((example) => example.split === split).length;
    const names = dataset.classes.map(({ name }) => name);
    return { dataset, names, counts: [of('train'), of('val'), of('test'), of()] };
  };

  it.each([
    ['03-excel-sep-line/30-sepline', FOODS, [0, 0, 0, 9]],
    ['07-int-and-float-labels/num', ['0', '1', '2'], [9, 0, 9, 0]],
    ['09-system-folders-as-classes/01-junk', FOODS, [0, 0, 0, 9]],
    ['10-class-with-leading-dot/12-dotclass', ['c#', 'c++'], [0, 0, 0, 6]],
    ['11-class-emptied-by-unreadable-pictures/13-nonpic', FOODS, [0, 0, 0, 9]],
    ['23-invisible-characters/01-zwsp', FOODS, [0, 0, 0, 9]],
    ['26-index-csv-in-capitals/04-Index', FOODS, [0, 0, 0, 6]],
    ['26-index-csv-in-capitals/06-labels', FOODS, [0, 0, 0, 6]],
    ['31-inch-mark-in-csv/02-inch', FOODS.map((name) => `9" ${name}`), [0, 0, 0, 9]],
    ['layouts/coco', ANIMALS, [0, 0, 0, 18]],
    ['layouts/coco/annotations.json', ANIMALS, [0, 0, 0, 18]],
    ['layouts/voc', ANIMALS, [18, 0, 0, 0]],
    ['layouts/labelstudio', ANIMALS, [0, 0, 0, 18]],
    ['layouts/labelstudio/project.csv', ANIMALS, [0, 0, 0, 18]],
    ['layouts/labelstudio/project-min.json', ANIMALS, [0, 0, 0, 18]],
    ['layouts/wds', ANIMALS, [18, 0, 0, 0]],
    ['layouts/wds/train-000000.tar', ANIMALS, [18, 0, 0, 0]],
    ['layouts/parquet', ANIMALS, [18, 0, 0, 0]],
    ['layouts/kaggle_csv', ANIMALS, [18, 0, 0, 0]],
    ['layouts/kaggle_csv/train.csv', ANIMALS, [0, 0, 0, 18]],
    ['layouts/meta_jsonl_intlabel', ANIMALS, [0, 0, 0, 18]],
  ])('%s', async (path, names, counts) => {
    expect(await read(path)).toMatchObject({ names, counts });
  });

  it('report left-out files and merged classes', async () => {
    const found = async (path: string, code: string) => finding((await read(path)).dataset, code);
    expect((await found('10-class-with-leading-dot/12-dotclass', 'hidden'))?.paths).toHaveLength(3);
    expect((await found('23-invisible-characters/01-zwsp', 'spellings'))?.paths).toEqual(FOODS);
    const unreadable = '11-class-emptied-by-unreadable-pictures/13-nonpic';
    expect(await found(unreadable, 'not-images')).toBeUndefined();
    expect((await found(unreadable, 'unlisted'))?.paths).toHaveLength(4);
  });

  it.each([
    ['05-encrypted-or-bzip2-zip/26-enc.zip', 'zip/unusable', '6 encrypted'],
    ['05-encrypted-or-bzip2-zip/19-bzip2.zip', 'zip/unusable', '6 compressed by bzip2 (method 12)'],
    ['06-duplicate-column/21-dup-header', 'dataset/column', 'the column "label" twice'],
  ])('%s is refused by name', async (path, code, message) => {
    await expect(read(path)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
      hint: expect.any(String),
    });
  });

  it('20-info-json-bom', async () => {
    const { classes } = await readFeatureDump(join(cases, '20-info-json-bom/31-bom'));
    expect(classes).toEqual(['cat', 'dog', 'owl']);
  });
});
