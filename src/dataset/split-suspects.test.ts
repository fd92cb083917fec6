import { describe, expect, it } from 'vitest';
import { classIds, failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';
import { meansSplit } from './splits.ts';

const own = ownFolder();

/** A table of eight pictures of two classes: the column's values alternate within the classes, or are given. */
async function table(
  column: string,
  values: readonly string[],
  labels: readonly string[] = ['cat', 'cat', 'cat', 'cat', 'dog', 'dog', 'dog', 'dog'],
) {
  const rows = labels.map((label, i) => `i/${i}.png,${label},${values[i % values.length]}`);
  await own.write(...labels.map((_, i) => `i/${i}.png`), [
    'index.csv',
    [`path,label,${column}`, ...rows].join('\n'),
  ]);
  return readDataset(own.root);
}

describe('a column that holds the splits under an unknown name', () => {
  it.each([
    ['jeu', ['apprentissage', 'essai']],
    ['Teilmenge', ['Trainingsmenge', 'Prüfmenge']],
    ['集合', ['训练', '测试']],
    ['conjunto', ['entrenamiento', 'prueba', 'validación']],
    ['выборка', ['обучающая', 'тестовая']],
    ['use', ['train', 'other']],
    ['use', ['', 'test']],
  ])('%s of %j is refused', async (column, values) => {
    await expect(table(column, values)).rejects.toMatchObject({
      code: 'dataset/unknown-split',
      message: expect.stringContaining(`the column "${column}"`),
      hint: expect.stringContaining('call it split and its values train, val and test'),
      details: { values },
    });
  });

  it.each([
    ['jeu', ['a', 'b']],
    ['fold', ['1', '2', '3', '4']],
    ['часть', ['первая', 'вторая']],
  ])('%s of %j is a warning', async (column, values) => {
    const dataset = await table(column, values);
    expect(warnings(dataset)).toEqual(['unknown-split-column']);
    const { message } = finding(dataset, 'unknown-split-column') ?? {};
    expect(message).toContain(`the column "${column}" may hold the splits`);
    for (const value of values) expect(message).toContain(`"${value}"`);
    expect(message).toContain('call it split and its values train, val and test');
  });

  it('is not suspected if it has one value for each class, has many values or describes files', async () => {
    const families = ['cats', 'cats', 'cats', 'cats', 'dogs', 'dogs', 'dogs', 'dogs'];
    expect(warnings(await table('family', families))).toEqual([]);
    expect(warnings(await table('photographer', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']))).toEqual([]);
    expect(warnings(await table('width', ['640', '480']))).toEqual([]);
    // A value names a split in another language, but each value is a whole class.
    expect(warnings(await table('kind', ['test', 'test', 'test', 'test', 'x', 'x', 'x', 'x']))).toEqual([]);
    expect(warnings(await table('state', ['valid', 'bad']))).toEqual(['unknown-split-column']);
  });

  it('is not searched for if the splits are known', async () => {
    await own.write('i/1.png', 'i/2.png', 'i/3.png', 'i/4.png', [
      'index.csv',
      'path,label,split,jeu\ni/1.png,a,train,essai\ni/2.png,a,test,x\ni/3.png,b,train,x\ni/4.png,b,test,essai',
    ]);
    expect(warnings(await readDataset(own.root))).toEqual([]);
  });

  it('is not read as the classes if there is no other column', async () => {
    await own.write('a/1.png', 'a/2.png', 'b/1.png', 'b/2.png', [
      'index.csv',
      'path,jeu\na/1.png,apprentissage\na/2.png,essai\nb/1.png,apprentissage\nb/2.png,essai',
    ]);
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['a', 'b']);
    expect(finding(dataset, 'index-unused')?.level).toBe('warning');
  });
});

describe('words for splits', () => {
  it.each('train Test_set hold-out Entraînement Prüfung essais Validierung テスト 검증 test2017'.split(' '))(
    '%s is one',
    (word) => expect(meansSplit(word)).toBe(true),
  );

  it.each('cat leer restaurant 1 contest latest Trainer'.split(' '))('%s is not one', (word) =>
    expect(meansSplit(word)).toBe(false),
  );
});

describe('a column of codes beside the names', () => {
  const read = async (header: string, rows: readonly string[]) => {
    await own.write(...rows.map((_, i) => `i/${i}.png`), [
      'index.csv',
      [header, ...rows.map((row, i) => `i/${i}.png,${row}`)].join('\n'),
    ]);
    return readDataset(own.root);
  };

  it.each([
    [
      'path,label,class_name',
      ['1,dog', '1,dog', '1,cat', '2,cat'],
      'the code 1 is "dog" (2 rows) and "cat" (1 row)',
    ],
    ['path,label,class_name', ['1,dog', '1,cat'], 'the code 1 is "dog" (1 row) and "cat" (1 row)'],
    [
      'path,category_id,category',
      ['1,dog', '1.0,cat', '2,bird'],
      'the code 1 is "dog" (1 row) and "cat" (1 row)',
    ],
    [
      'path,class_id,species',
      ['1,dog', '1,dog', '1,dog', '2,cat', '2,cat', '2,cat', '3,owl', '3,owl', '3,owl', '3,cat'],
      'the code 3 is "owl" (3 rows) and "cat" (1 row)',
    ],
    ['path,label,class', ['dog,dog', 'cat,cat', 'cat,dog'], '1 row is "cat" in one and "dog" in the other'],
  ])('%s: %j is refused', async (header, rows, message) => {
    await expect(read(header, rows)).rejects.toMatchObject({
      ...{ code: 'dataset/contradiction', message: expect.stringContaining(message) },
    });
  });

  it('may be coarser or in another language, and is used if it is the only one', async () => {
    const coarse = await read('path,category_id,species', ['1,dog', '1,cat', '2,owl', '2,jay']);
    expect(labelled(coarse)).toEqual(['i/0.png dog', 'i/1.png cat', 'i/2.png owl', 'i/3.png jay']);
    expect(warnings(coarse)).toEqual([]);
    expect(warnings(await read('path,label,class', ['dog,Hund', 'cat,Katze', 'dog,Hund']))).toEqual([]);
    expect(warnings(await read('path,label,class_name', ['0,dog', '1,cat', '0,dog']))).toEqual([]);
  });

  it('gives a warning if one name has two codes', async () => {
    const dataset = await read('path,label,class_name', ['134,crane', '517,crane', '7,cock']);
    expect(classIds(dataset)).toEqual(['cock', 'crane']);
    expect(warnings(dataset)).toEqual(['several-codes']);
    expect(finding(dataset, 'several-codes')?.message).toContain('"crane" has 134, 517');
  });
});

describe('decimal commas', () => {
  const semicolons = (...labels: string[]): [string, string] => [
    'index.csv',
    ['path;label', ...labels.map((label, i) => `i/${i}.png;${label}`)].join('\n'),
  ];
  const pictures = ['i/0.png', 'i/1.png', 'i/2.png', 'i/3.png'];

  it('are read in whole numbers', async () => {
    await own.write(...pictures, semicolons('0,0', '1,0', '', '1,0'));
    expect(labelled(await readDataset(own.root))).toEqual([
      'i/0.png 0',
      'i/1.png 1',
      'i/2.png ',
      'i/3.png 1',
    ]);
    // Two tables of one data set, one of them with a missing label.
    const folder = (split: string, rows: string) =>
      [`${split}/metadata.csv`, `file_name;label\n${rows}`] as [string, string];
    await own.write('t/train/1.png', 't/train/2.png', 't/test/1.png', 't/test/2.png');
    await own.write(...[folder('t/train', '1.png;0\n2.png;1'), folder('t/test', '1.png;0,0\n2.png;1,0')]);
    expect(classIds(await readDataset(`${own.root}/t`))).toEqual(['0', '1']);
  });

  it('are distinguished from two classes in one field', async () => {
    await own.write(...pictures, semicolons('2', '1,0', '2', '1,0'));
    expect(classIds(await readDataset(own.root))).toEqual(['1', '2']);
    await own.write(semicolons('0', '1', '1,0', '0'));
    await expect(readDataset(own.root)).rejects.toEqual(failure('several-labels'));
  });

  it('are codes, which a text encoder does not understand', async () => {
    await own.write(...pictures, semicolons('0,5', '1,5', '0,5', '1,5'));
    expect(warnings(await readDataset(own.root))).toEqual(['codes']);
  });
});
