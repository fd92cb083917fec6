import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { type Content, classIds, failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;

/** Pictures by folder: `pics('train/cat', 2)` is train/cat/1.jpg and train/cat/2.jpg. */
const pics = (folder: string, n = 2) => Array.from({ length: n }, (_, i) => `${folder}/${i + 1}.jpg`);
const table = (name: string, ...lines: string[]): Content => [name, lines.join('\n')];

describe('a table beside class folders', () => {
  const photos = [...pics('cat'), ...pics('dog')];

  it('without a header is refused as an index, and warned about under another name', async () => {
    const rows = ['cat/1.jpg,cat', 'dog/1.jpg,dog'];
    await write(...photos, table('labels.csv', ...rows));
    expect(warnings(await readDataset(own.root))).toEqual(['index-unused']);
    await write(table('index.csv', ...rows));
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('column'));
    expect(error.message).toBe('index.csv has no column "path" (it has "cat/1.jpg", "cat")');
    expect(error.hint).toContain('The first line must name the columns');
  });

  it('with unknown columns gives a warning', async () => {
    await write(...photos, table('metadata.csv', 'file_name,text', 'cat/1.jpg,A cat.', 'dog/1.jpg,A dog.'));
    expect(warnings(await readDataset(own.root))).toEqual(['index-unused']);
  });

  it('that contradicts the folders is refused', async () => {
    await write(...photos, table('index.csv', 'path,animal,day', 'cat/1.jpg,cat,1', 'cat\\2.jpg,Dog,2'));
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('contradiction'));
    expect(error.message).toBe(
      'index.csv contradicts the folders: it labels cat\\2.jpg "dog", and the folder is "cat"',
    );
    expect(error.hint).toContain('name its columns path and label');
  });
});

describe('one field with several classes', () => {
  it.each([
    ['index.csv', 'path,label\n1.jpg,cat\n2.jpg,cat|dog', '"cat|dog"'],
    ['index.csv', 'path,label\n1.jpg,cat\n2.jpg,"dog, cat"\n3.jpg,dog', '"dog, cat"'],
    ['index.csv', 'path,label\n1.jpg,cat\n2.jpg,dog;cat\n3.jpg,dog', '"dog;cat"'],
    ['index.jsonl', '{"path":"1.jpg","label":["cat","dog"]}', 'a list of classes in "label"'],
  ])('is refused in %s: %j', async (name, text, message) => {
    await write(...pics('.', 3), [name, text]);
    await expect(readDataset(own.root)).rejects.toMatchObject({
      code: 'dataset/several-labels',
      message: expect.stringContaining(message),
      hint: expect.stringContaining('one class'),
    });
  });

  it.each([
    '{"path":"1.jpg","label":{"name":"cat"}}',
    '{"path":{"file":"1.jpg"},"label":"cat"}',
    '{"path":"1.jpg","label":[{"name":"cat"}]}',
  ])('is refused as an object: %s', async (line) => {
    await write(...pics('.'), ['index.jsonl', `${line}\n{"path":"2.jpg","label":"dog"}`]);
    await expect(readDataset(own.root)).rejects.toMatchObject({
      code: 'dataset/table',
      message: expect.stringMatching(/index\.jsonl has an object instead of a text in "(label|path)"/),
      hint: expect.stringContaining('"label": "cat"'),
    });
  });

  it('may be one name with blanks, with a warning; commas in names do not separate classes', async () => {
    await write(
      ...pics('.', 4),
      table('index.csv', 'path;label', '1.jpg;apple', '2.jpg;pie', '3.jpg;apple pie', '4.jpg;cat, big'),
    );
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['apple', 'apple pie', 'cat, big', 'pie']);
    expect(finding(dataset, 'joined-labels')?.message).toContain('"apple pie" may each be several classes');
  });
});

describe('splits', () => {
  it.each([
    ['Training', 'Testing'],
    ['seg_train', 'seg_test'],
    ['TRAIN', 'holdout'],
    ['train_images', 'test_images'],
    ['train2017', 'eval'],
  ])('are the folders %s and %s', async (train, test) => {
    await write(...pics(`${train}/cat`), ...pics(`${train}/dog`), ...pics(`${test}/cat`));
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['cat', 'dog']);
    expect(dataset.examples.map(({ split }) => split).sort()).toEqual([
      'test',
      'test',
      ...Array(4).fill('train'),
    ]);
    expect(warnings(dataset)).toEqual([]);
  });

  it('are the values of a column, under all their names', async () => {
    await write(
      ...pics('.', 4),
      table(
        'index.csv',
        'path,label,split',
        '1.jpg,a,training',
        '2.jpg,b,Training',
        '3.jpg,a,testing',
        '4.jpg,a,dev',
      ),
    );
    expect(labelled(await readDataset(own.root))).toEqual([
      '1.jpg a train',
      '2.jpg b train',
      '3.jpg a test',
      '4.jpg a val',
    ]);
  });

  it.each(['set', 'Data Set', 'whatever'])('are read from a column called %s', async (column) => {
    await write(...pics('.'), table('index.csv', `path,label,${column}`, '1.jpg,a,train', '2.jpg,a,test'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['1.jpg a train', '2.jpg a test']);
    expect(finding(dataset, 'split-column')?.message).toContain(`"${column}" is read as the split`);
  });

  it.each([
    ['is_valid', ['True', 'False'], ['val', 'train']],
    ['is_test', ['1', '0'], ['test', 'train']],
    ['is_train', ['1', '0'], ['train', 'test']],
    ['is_train', ['Y', 'N'], ['train', 'test']],
    ['is_training', ['t', 'f'], ['train', 'test']],
    ['in_test', ['no', 'yes'], ['train', 'test']],
    ['Train', ['True', 'False'], ['train', 'test']],
    ['test', ['0', '1'], ['train', 'test']],
  ])('are read from flags in a column %s', async (column, values, splits) => {
    await write(
      ...pics('.'),
      table('index.csv', `path,label,${column}`, ...values.map((value, i) => `${i + 1}.jpg,a,${value}`)),
    );
    expect((await readDataset(own.root)).examples.map(({ split }) => split)).toEqual(splits);
  });

  it('are not flags if such a column is a class', async () => {
    await write(...pics('.'), table('index.csv', 'path,train,plane', '1.jpg,1,0', '2.jpg,0,1'));
    expect(labelled(await readDataset(own.root))).toEqual(['1.jpg train', '2.jpg plane']);
  });

  it('of flags that are neither true nor false are refused', async () => {
    await write(...pics('.'), table('index.csv', 'path,label,is_train', '1.jpg,a,1', '2.jpg,b,later'));
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('unknown-split'));
    expect(error.message).toBe('index.csv: "is_train" is neither true nor false: "later"');
  });

  it('of unknown names in a column that may hold splits give a warning', async () => {
    const rows = [0, 1, 2, 0, 1, 2].map((part, i) => `${i + 1}.jpg,${i % 2},${part}`);
    await write(...pics('.', 6), table('index.csv', 'path,label,partition', ...rows));
    expect(finding(await readDataset(own.root), 'unknown-split-column')?.message).toBe(
      'index.csv: the column "partition" may hold the splits, but is not used (its values are not names of known splits: "0", "1", "2"), so all rows may be learnt from. If it holds the splits, call it split and its values train, val and test.',
    );
  });

  it('of known names can be tables, and a table of another name beside them is reported', async () => {
    await write(
      ...pics('.', 4),
      table('train.csv', 'path,label', '1.jpg,a', '2.jpg,b'),
      table('essai.csv', 'path,label', '3.jpg,a', '4.jpg,b'),
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['1.jpg a train', '2.jpg b train']);
    expect(finding(dataset, 'index-unused')?.message).toContain('essai.csv lists pictures with classes');
  });

  it('of unknown names are refused by name, with their rows', async () => {
    await write(
      ...pics('.', 3),
      table('index.csv', 'path,label,split', '1.jpg,a,train', '2.jpg,a,extra', '3.jpg,b,fold 3'),
    );
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('unknown-split'));
    expect(error.message).toContain('2 rows of unknown splits: "extra", "fold 3"');
  });

  it.each([
    ['entrainement', 'essai', ['chat', 'chien'], ['chat', 'chien']],
    ['entrainement', 'essai', ['chat'], ['chat']],
    ['Trainingsdaten', 'Testdaten', ['Hund', 'Katze', 'Maus'], ['Hund', 'Katze']],
    ['训练', '测试', ['猫', '狗'], ['猫', '狗']],
    ['обучение', 'проверка', ['0', '1', '2'], ['0', '1', '2']],
  ])('in unknown words are refused: %s and %s', async (train, test, learnt, heldOut) => {
    await write(
      ...learnt.flatMap((name) => pics(`${train}/${name}`)),
      ...heldOut.flatMap((name) => pics(`${test}/${name}`)),
      `${train}/all.jpg`,
    );
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('unknown-split'));
    expect(error.message).toContain(`"${train}"`);
    expect(error.message).toContain(`"${test}"`);
    expect(error.hint).toContain('Rename the folders');
  });

  it.each([
    [['cat/images', 'dog/images']],
    [['cat/2023', 'dog/2023']],
    [['cat/indoor', 'dog/outdoor', 'owl/night']],
  ])('are not the folders in the classes %j', async (folders) => {
    await write(...folders.flatMap((folder) => pics(folder)));
    expect(classIds(await readDataset(own.root))).toEqual(folders.map((folder) => folder.split('/')[0]));
  });

  it('of unknown names are refused as folders', async () => {
    await write(...pics('train/cat'), ...pics('test/cat'), ...pics('extra/cat'));
    await expect(readDataset(own.root)).rejects.toThrow(failure('unknown-split'));
  });

  it.each([
    ['folds', ['fold1', 'fold2', 'fold3']],
    ['years', ['2023', '2024']],
    ['cameras', ['front', 'back']],
  ])('are refused if they may be %s with the same folders inside', async (_, tops) => {
    await write(...tops.flatMap((top) => [...pics(`${top}/cat`), ...pics(`${top}/dog`)]));
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('unknown-split'));
    expect(error.message).toContain('hold folders of the same names, "cat", "dog"');
  });

  it('are refused if their names also contain a class', async () => {
    await write(...['trainA', 'trainB', 'testA', 'testB'].flatMap((name) => pics(name)));
    await expect(readDataset(own.root)).rejects.toThrow('each hold a split and something else');
  });

  it.each([
    ['a folder for pictures', ['train/images/cat', 'train/images/dog', 'val/images/cat'], ['cat', 'dog']],
    ['a wrapper with notes and scripts', ['d-main/data/train/cat', 'd-main/data/test/dog'], ['cat', 'dog']],
  ])('are read around or inside %s', async (_, folders, classes) => {
    await write(...folders.flatMap((folder) => pics(folder)), 'd-main/README.md', 'd-main/scripts/a.py');
    expect(classIds(await readDataset(own.root))).toEqual(classes);
  });

  it('are read from a folder of the same name', async () => {
    await write(
      ...pics('seg_train/seg_train/sea'),
      ...pics('seg_test/seg_test/sea'),
      ...pics('seg_pred/seg_pred'),
    );
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['sea']);
    expect(dataset.examples.filter(({ label }) => label < 0)).toHaveLength(2);
    expect(warnings(dataset)).toEqual(['one-class', 'unlabelled']);
  });

  it('of two folders are reported', async () => {
    await write(...pics('train/cat'), ...pics('Training/cat'), ...pics('test/cat'));
    expect(finding(await readDataset(own.root), 'same-split')?.message).toBe(
      '"train", "Training" are all read as the split train.',
    );
  });

  it('may include one without class folders, whose pictures have no label', async () => {
    await write(...pics('train/cat'), ...pics('train/dog'), ...pics('test'), ...pics('unlabeled'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'test/1.jpg  test',
      'test/2.jpg  test',
      'train/cat/1.jpg cat train',
      'train/cat/2.jpg cat train',
      'train/dog/1.jpg dog train',
      'train/dog/2.jpg dog train',
      'unlabeled/1.jpg ',
      'unlabeled/2.jpg ',
    ]);
    expect(warnings(dataset)).toEqual(['unlabelled']);
  });

  it.each(['test', 'Testing', 'unlabeled', 'validation'])(
    'a flat folder %s beside classes is refused',
    async (name) => {
      await write(...pics('cat'), ...pics('dog'), ...pics(name));
      await expect(readDataset(own.root)).rejects.toThrow(failure('ambiguous-layout'));
    },
  );

  it('valid and invalid are classes', async () => {
    await write(...pics('valid'), ...pics('invalid'));
    expect(classIds(await readDataset(own.root))).toEqual(['invalid', 'valid']);
  });

  it('in folders of several data sets are refused', async () => {
    await write(...pics('flowers/train/rose'), ...pics('flowers/test/rose'), ...pics('pets/train/cat'));
    await expect(readDataset(own.root)).rejects.toThrow(failure('several'));
    const deep = ['TRAIN/a', 'TEST/a'].flatMap((folder) => pics(`two/second/images/${folder}`));
    await write(...deep, ...pics('two/first/JPEGImages'));
    await expect(readDataset(join(own.root, 'two'))).rejects.toThrow(failure('several'));
  });

  it('of classes are not read twice if an archive holds all of them once more', async () => {
    await write(...['cat', 'dog', 'all/cat', 'all/dog'].flatMap((folder) => pics(folder)));
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['cat', 'dog']);
    expect(warnings(dataset)).toEqual(['ambiguous-class']);
  });

  it('may be given for some rows only: the others have no split, or train if no row has it', async () => {
    await write(
      ...pics('.', 3),
      table('index.csv', 'path,label,split', '1.jpg,a,train', '2.jpg,a,test', '3.jpg,a,'),
    );
    expect(finding(await readDataset(own.root), 'no-split')?.paths).toEqual(['3.jpg']);
    await write(table('index.csv', 'path,label,split', '1.jpg,a,test', '2.jpg,a,', '3.jpg,a,nan'));
    const dataset = await readDataset(own.root);
    expect(dataset.examples.map(({ split }) => split)).toEqual(['test', 'train', 'train']);
    expect(finding(dataset, 'blank-is-train')).toBeDefined();
  });

  it('that conflict for one picture give it the held-out one', async () => {
    await write(
      ...pics('images', 2),
      table('train.csv', 'path,label', 'images/1.jpg,a', 'images/2.jpg,b'),
      table('test.csv', 'path,label', 'images/1.jpg,a'),
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['images/1.jpg a test', 'images/2.jpg b train']);
    expect(warnings(dataset)).toContain('two-splits');
  });
});

describe('tables beside pictures', () => {
  const images = pics('images', 3);
  const rows = ['images/1.jpg,cat', 'images/2.jpg,cat', 'images/3.jpg,dog'];
  const expected = ['images/1.jpg cat', 'images/2.jpg cat', 'images/3.jpg dog'];

  it.each(['Index.csv', 'INDEX.CSV', 'Metadata.Csv', 'labels.csv', 'annotations.tsv'])(
    'called %s',
    async (name) => {
      const sep = name.endsWith('tsv') ? '\t' : ',';
      await write(...images, table(name, ...['path,label', ...rows].map((row) => row.replace(',', sep))));
      expect(labelled(await readDataset(own.root))).toEqual(expected);
    },
  );

  it.each([
    ['file_name,class', rows],
    ['filepaths,labels', rows],
    ['image,species', rows],
    ['Unnamed: 0,path,label', rows.map((row, i) => `${i},${row}`)],
    ['id,breed', ['1,cat', '2,cat', '3,dog', '4,dog']],
    ['image_id,label', ['1,cat', '2,cat', '3,dog']],
    ['path,label', rows.map((row) => row.replace('/', '\\'))],
    ['path,label', rows.map((row) => `./${row}`)],
    ['path,label', rows.map((row) => `file://{root}/${row}`)],
    ['path,label', rows.map((row) => `{root}/${row}`)],
    ['path,label', rows.map((row) => `/${row}`)],
    ['path,label', rows.map((row) => row.replace('images/', ''))],
    ['path,label', rows.map((row) => row.replace('.jpg', ''))],
    ['image,cat,dog', ['1,1,0', '2,1.0,0.0', '3,0,1']],
    ['path,label', rows.map((row) => row.replace('images', '%69mages'))],
  ])('with columns %s and rows as %j', async (header, lines) => {
    const filled = lines.map((line) => line.replace('{root}', own.root));
    await write(...images, table('labels.csv', header, ...filled));
    expect(labelled(await readDataset(own.root))).toEqual(expected);
    expect(labelled(await readDataset(join(own.root, 'labels.csv'))).map((one) => one.slice(-10))).toEqual(
      expected.map((one) => one.slice(-10)),
    );
  });

  it('train.csv beside train/ and test/ (Kaggle), names without endings', async () => {
    await write(
      ...pics('train', 4),
      ...pics('test', 4),
      table('train.csv', 'id,breed', '1,pug', '2,pug', '3,boxer', '4,boxer'),
      table('sample_submission.csv', 'id,breed', '1,pug', '2,pug', '3,pug', '4,pug'),
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'train/1.jpg pug train',
      'train/2.jpg pug train',
      'train/3.jpg boxer train',
      'train/4.jpg boxer train',
    ]);
    expect(finding(dataset, 'unlisted')?.paths).toHaveLength(4);
    expect(finding(dataset, 'not-images')?.paths).toEqual(['sample_submission.csv']);
  });

  it('that list pictures of two folders by unique names', async () => {
    await write('a/1.jpg', 'b/2.jpg', 'b/3.jpg', table('labels.csv', 'id,label', '1,x', '2,y', '3,x'));
    expect(labelled(await readDataset(own.root))).toEqual(['a/1.jpg x', 'b/2.jpg y', 'b/3.jpg x']);
  });

  it('with ends of lines of two systems', async () => {
    await write(...images, ['index.csv', `path,label\r\n${rows.join('\n')}\n`]);
    expect(labelled(await readDataset(own.root))).toEqual(expected);
  });

  it('with a number and a name of the class', async () => {
    await write(
      ...images,
      table(
        'index.csv',
        'path,label,class_name',
        ...rows.map((row) => row.replace(',', row.endsWith('cat') ? ',7,' : ',3,')),
      ),
    );
    expect(labelled(await readDataset(own.root))).toEqual(expected);
  });

  it('are refused by name without a known column, or without any label', async () => {
    await write(...images, table('list.csv', ...rows));
    await expect(readDataset(own.root)).rejects.toThrow(
      'list.csv has no column "path" (it has "images/1.jpg", "cat")',
    );
    await write(table('metadata.jsonl', '{"path":"images/1.jpg","label":null}'));
    await expect(readDataset(own.root)).rejects.toThrow(failure('no-labels'));
  });

  it('are refused if their paths may mean either of two folders', async () => {
    await write(...pics('a', 3), ...pics('b', 3), table('index.csv', 'path,label', '1.jpg,x', '2.jpg,y'));
    await expect(readDataset(own.root)).rejects.toThrow('The table\'s pictures may be those in "a/", "b/"');
  });

  it('are refused if several list the same pictures', async () => {
    await write(...images, table('a.csv', 'path,label', ...rows), table('b.csv', 'path,label', ...rows));
    await expect(readDataset(own.root)).rejects.toThrow(failure('several-tables'));
    await write(table('index.csv', 'path,label', ...rows), table('metadata.csv', 'path,label', ...rows));
    await expect(readDataset(own.root)).rejects.toThrow(failure('several-tables'));
  });

  it('that list pictures in numbered folders must have the classes, because the folders are not classes', async () => {
    const parts = [...pics('part_1', 3), ...['4', '5', '6'].map((name) => `part_2/${name}.jpg`)];
    const header = 'image_id,dx,age';
    await write(...parts, table('list.csv', header, ...[1, 2, 3, 4, 5, 6].map((n) => `${n},mole,${n}`)));
    await expect(readDataset(own.root)).rejects.toThrow(
      'list.csv has no column "label" (it has "image_id", "dx", "age")',
    );
  });

  it('are not used beside class folders, and are reported', async () => {
    await write(
      ...pics('cat'),
      ...pics('dog'),
      table('list.csv', 'path,label', 'cat/1.jpg,pet', 'dog/1.jpg,pet'),
    );
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['cat', 'dog']);
    expect(finding(dataset, 'index-unused')?.message).toContain('rename it to index.csv');
  });

  it('are named in the error if they have no known column', async () => {
    await write(...images, table('list.csv', 'path,colour,size', 'images/1.jpg,red,1'));
    await expect(readDataset(own.root)).rejects.toThrow(
      'list.csv has no column "label" (it has "path", "colour", "size")',
    );
  });

  it('are named in the error if they are broken', async () => {
    await write(...images, table('list.csv', 'path,label', 'images/1.jpg,a,b'));
    await expect(readDataset(own.root)).rejects.toThrow('list.csv, line 2');
  });

  it('report the columns that are not used', async () => {
    await write(...images, table('index.csv', 'path,label,Width', ...rows.map((row) => `${row},640`)));
    expect(finding(await readDataset(own.root), 'columns-unused')?.message).toBe(
      'index.csv: 1 column is not used ("Width").',
    );
  });

  it('are read from a zip', async () => {
    const files = {
      'images/1.jpg': 'x',
      'images/2.jpg': 'x',
      'labels.csv': 'path,label\nimages/1.jpg,a\nimages/2.jpg,b',
    };
    const bytes = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
    await write(['data.zip', zipSync(bytes)]);
    expect(labelled(await readDataset(join(own.root, 'data.zip')))).toEqual([
      'images/1.jpg a',
      'images/2.jpg b',
    ]);
  });

  it('may list files whose names begin with a dot', async () => {
    await write('.a.jpg', '.net/1.jpg', table('index.csv', 'path,label', '.a.jpg,x', '.net/1.jpg,y'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['.a.jpg x', '.net/1.jpg y']);
    expect(finding(dataset, 'hidden')).toBeUndefined();
  });

  it('may list files whose names have blanks at the ends', async () => {
    await write(' a .jpg', 'b.jpg', table('index.csv', 'path,label', '" a .jpg",x', ' b.jpg ,y'));
    expect(labelled(await readDataset(own.root))).toEqual([' a .jpg x', 'b.jpg y']);
  });
});

describe('labels', () => {
  const read = async (header: string, ...rows: string[]) => {
    await write(...pics('.', 6), table('index.csv', header, ...rows.map((row, i) => `${i + 1}.jpg,${row}`)));
    return readDataset(own.root);
  };

  it('are one class as 1 and as 1.0, in one table and in two', async () => {
    const dataset = await read('path,label', '0', '1', '0.0', '1.00');
    expect(classIds(dataset)).toEqual(['0', '1']);
    expect(finding(dataset, 'spellings')?.paths).toEqual(['0', '1']);
    await write(
      ...pics('two/train'),
      ...pics('two/test'),
      table('two/train/metadata.csv', 'file_name,label', '1.jpg,0', '2.jpg,1'),
      table('two/test/metadata.csv', 'file_name,label', '1.jpg,0.0', '2.jpg,1.0'),
    );
    expect(classIds(await readDataset(join(own.root, 'two')))).toEqual(['0', '1']);
  });

  it('are unchanged if not all are integers', async () => {
    expect(classIds(await read('path,label', '1.0', '1.5', 'v1.0'))).toEqual(['1.0', '1.5', 'v1.0']);
  });

  it.each([
    ['01', '1'],
    ['class', 'Class'],
    ['ＣＡＴ', 'cat'],
    ['a\u200db', 'ab'],
    ['red_apple', 'red-apple'],
    ['1000', '1e3'],
    ['1200', '1.2E+3'],
  ])('"%s" and "%s" are kept apart with a warning', async (a, b) => {
    expect(warnings(await read('path,label', a, b))).toContain('alike-classes');
  });

  it.each([
    ['cat', 'cat\u200b'],
    ['a cat', 'a\u00a0cat'],
    ['café', 'cafe\u0301'],
    ['cat', '\u200ecat'],
    ['cat', '"cat "'],
  ])('"%s" and "%s" are one class, with a finding', async (a, b) => {
    const dataset = await read('path,label', a, b);
    expect(classIds(dataset)).toEqual([a]);
    expect(finding(dataset, 'spellings')?.paths).toEqual([a]);
  });

  it('as names of folders are also one class', async () => {
    await write(
      ...pics('train/a cat'),
      ...pics('test/a\u00a0cat'),
      ...pics('train/caf\u00e9'),
      ...pics('test/cafe\u0301'),
    );
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['a cat', 'café']);
    expect(finding(dataset, 'spellings')?.paths).toEqual(['a cat', 'café']);
  });

  it.each(['', 'NaN', 'nan', '<NA>', '#N/A'])('that are "%s" count as missing', async (value) => {
    const dataset = await read('path,label', 'a', value);
    expect(labelled(dataset)).toEqual(['1.jpg a', '2.jpg ']);
    expect(warnings(dataset)).toContain('unlabelled');
  });

  it.each(['None', 'null', 'N/A'])('that are "%s" are a class, with a warning', async (value) => {
    expect(warnings(await read('path,label', 'a', value))).toContain('class-called-none');
  });

  it('below zero are not those above, and -1 gives a warning', async () => {
    expect(warnings(await read('path,label', '1', '-1'))).toEqual(['codes', 'class-called-none'].reverse());
  });

  it('that say what a picture does not show are refused', async () => {
    await write('1.jpg', '2.jpg', table('index.csv', 'ImageID,LabelName,Confidence', '1,cat,1', '2,dog,0'));
    await expect(readDataset(own.root)).rejects.toThrow('1 row with the confidence 0');
  });

  it('in columns beside one without a title are reported by their own titles', async () => {
    await write('1.jpg', '2.jpg', table('index.csv', ',filename,cat,dog', '0,1.jpg,1,0', '1,2.jpg,0,1'));
    expect(finding(await readDataset(own.root), 'columns')?.message).toBe(
      'index.csv: read "filename" as the path.',
    );
  });

  it('of several classes are refused', async () => {
    await expect(read('path,cat,dog', '1,0', '1,1')).rejects.toThrow(failure('several-labels'));
    await write(['index.csv', ''], ['boxes/1.jpg', '']);
    await write(
      table('boxes/index.csv', 'filename,class,xmin,ymin', '1.jpg,cat,0,0', '1.jpg,dog,5,5'),
      table('lists/index.jsonl', '{"path":"1.jpg","label":["cat","dog"]}'),
      'lists/1.jpg',
    );
    await expect(readDataset(join(own.root, 'boxes'))).rejects.toThrow(failure('several-labels'));
    await expect(readDataset(join(own.root, 'lists'))).rejects.toThrow(failure('several-labels'));
  });

  it('that are numbers too large for JSON are refused; as text they are kept', async () => {
    const line = (n: number, label: string) =>
      `{"path":"${n}.jpg","phash":12345678901234567890,"label":${label}}`;
    const lines = (...labels: string[]) =>
      table('index.jsonl', ...labels.map((label, i) => line(i + 1, label)));
    await write(...pics('.'), lines('9007199254740993', '9007199254740992'));
    await expect(readDataset(own.root)).rejects.toThrow('numbers in "label" that are too large');
    await write(lines('"9007199254740993"', '"9007199254740992"'));
    expect(classIds(await readDataset(own.root))).toEqual(['9007199254740992', '9007199254740993']);
  });

  it('as integers have no name if the card gives one that is not a text', async () => {
    const names = `---\nclass_label:\n  names:\n    0: "cat" or dog\n    1: owl\n---\n`;
    await write(...pics('.', 2), ['README.md', names]);
    await write(
      table('metadata.jsonl', '{"file_name":"1.jpg","label":0}', '{"file_name":"2.jpg","label":1}'),
    );
    await expect(readDataset(own.root)).rejects.toThrow(failure('card'));
  });

  it('as integers have the names that a data set card gives', async () => {
    const card = `---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': cat
          '1': "big dog"
          '10': 'owl''s'
  splits: []
---
# Animals`;
    await write(...pics('.', 3), ['README.md', card]);
    await write(
      table(
        'metadata.jsonl',
        '{"file_name":"1.jpg","label":0}',
        '{"file_name":"2.jpg","label":10}',
        '{"file_name":"3.jpg","label":1}',
      ),
    );
    for (const source of [own.root, join(own.root, 'metadata.jsonl')]) {
      const dataset = await readDataset(source);
      expect(dataset.classes.map(({ id, name }) => `${id} ${name}`)).toEqual([
        '0 cat',
        '1 big dog',
        "10 owl's",
      ]);
      expect(warnings(dataset)).toEqual([]);
    }
  });
});

describe('layouts of other programs are refused by name', () => {
  const captions = JSON.stringify({
    images: [{ id: 1, file_name: '1.jpg' }],
    annotations: [{ caption: 'a cat' }],
  });
  const cases: [string, Content[], string][] = [
    ['COCO captions', [...pics('images'), ['captions.json', captions]], 'COCO annotations (captions.json)'],
    [
      'YOLO',
      [...pics('images/train'), ...pics('images/val'), 'labels/train/1.txt', 'data.yaml'],
      'YOLO annotations',
    ],
    [
      'YOLO of Roboflow',
      [...pics('train/images'), 'train/labels/1.txt', ...pics('valid/images'), 'valid/labels/1.txt'],
      'YOLO annotations',
    ],
    [
      'Label Studio, JSON',
      [...pics('upload'), ['project.json', '[{"id":1,"annotations":[]}]']],
      'Label Studio (project.json)',
    ],
    ['LabelMe', ['images/1.jpg', ['images/1.json', '{"shapes":[]}']], 'LabelMe'],
    ['VIA', [...pics('images'), ['via.json', '{"_via_settings":{}}']], 'VIA'],
    ['Arrow', ['data-00000-of-00001.arrow', ['dataset_info.json', '{}']], 'Arrow tables'],
    ['an archive', ['photos.tar.xz'], 'an archive'],
    ['TFRecord', ['cats.tfrecord-00000-of-00002'], 'TFRecord files'],
    ['CIFAR', ['cifar-10-batches-py/data_batch_1'], 'CIFAR batches'],
    ['MNIST', ['train-labels-idx1-ubyte.gz'], 'IDX files'],
    ['arrays', ['x_train.npy'], 'arrays in one file'],
    [
      'a list as text',
      [...pics('images'), ['train.txt', 'images/1.jpg 0\nimages/2.jpg 1\n']],
      'a list of pictures as text',
    ],
    ['a spreadsheet', [...pics('images'), 'labels.xlsx'], 'a spreadsheet'],
    ['SageMaker', [...pics('.'), 'output.manifest'], 'a manifest of Amazon SageMaker'],
    ['CelebA', [...pics('img_align_celeba'), 'list_attr_celeba.txt'], "CelebA's attributes"],
  ];
  it.each(cases)('%s', async (_, content, what) => {
    await write(...content);
    const error = await readDataset(own.root).catch((thrown) => thrown);
    expect(error).toEqual(failure('foreign'));
    expect(error.message).toContain(what);
    expect(error.hint).toBeTruthy();
  });

  it.each(['a.xlsx', 'a.npz', 'a.tar.xz'])('a file %s', async (name) => {
    await write(name);
    await expect(readDataset(join(own.root, name))).rejects.toThrow(failure('foreign'));
  });

  it("COCO's captions and any other JSON are refused as single files", async () => {
    await write(['a.json', captions], ['b.json', '{}'], '1.jpg');
    await expect(readDataset(join(own.root, 'a.json'))).rejects.toThrow('COCO annotations');
    await expect(readDataset(join(own.root, 'b.json'))).rejects.toThrow(failure('kind'));
  });

  it('a zip in a zip is refused', async () => {
    await write(['outer.zip', zipSync({ 'photos/inner.zip': zipSync({ 'cat/1.jpg': Buffer.from('x') }) })]);
    await expect(readDataset(join(own.root, 'outer.zip'))).rejects.toMatchObject({
      code: 'dataset/foreign',
      message: expect.stringContaining('photos/inner.zip'),
      hint: expect.stringContaining('has to be unpacked first'),
    });
  });

  it('parts of a layout are never classes', async () => {
    await write(...pics('images'), ...pics('masks'));
    await expect(readDataset(own.root)).rejects.toThrow('"images", "masks"');
    await expect(readDataset(own.root)).rejects.toThrow(failure('no-classes'));
  });

  it('captions beside pictures do not count as annotations', async () => {
    await write('1.jpg', ['1.txt', 'a cat'], '2.jpg', ['2.txt', 'a dog']);
    await expect(readDataset(own.root)).rejects.toThrow(failure('empty'));
  });

  it('class folders with notes are read', async () => {
    await write(...pics('mask'), ...pics('no_mask'), ['notes.json', '{}'], 'docs/readme.txt', 'LICENSE');
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['mask', 'no_mask']);
    expect(finding(dataset, 'not-classes')?.paths).toEqual(['docs/']);
  });
});

describe('findings report what is left out', () => {
  it('about leftovers of systems and tools, in folders and zips', async () => {
    const leftovers = [
      '$RECYCLE.BIN',
      'System Volume Information',
      'lost+found',
      '.Trashes',
      '.Spotlight-V100',
      '@eaDir',
      '#recycle',
      '#snapshot',
      '__MACOSX',
      '.ipynb_checkpoints',
      '.git',
      '.svn',
      '.Trash-1000',
      '@Recycle',
      '.thumbnails',
      '__pycache__',
      'FOUND.000',
    ];
    const files = ['.DS_Store', 'Thumbs.db', 'Desktop.ini', '._1.jpg', 'Icon\r', '.nfs000000001234'];
    const content = [
      ...pics('cat'),
      ...pics('dog'),
      ...leftovers.flatMap((name) => pics(name, 1)),
      ...files.map((name) => `cat/${name}`),
    ];
    await write(...content);
    const zipped = Object.fromEntries(content.map((name) => [name, Buffer.from(name)]));
    await write(['zip/data.zip', zipSync(zipped)]);
    const inZip = await readDataset(join(own.root, 'zip/data.zip'));
    for (const dataset of [await readDataset(own.root), inZip]) {
      expect(classIds(dataset)).toEqual(['cat', 'dog']);
      expect(finding(dataset, 'leftovers')?.paths).toHaveLength(leftovers.length + files.length);
      expect(finding(dataset, 'leftovers')?.message).toMatch(/^23 files and folders of systems and tools/);
    }
  });

  it('about hidden folders with pictures', async () => {
    await write(...pics('c++'), ...pics('c#'), ...pics('.net'), '.env');
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['c#', 'c++']);
    expect(finding(dataset, 'hidden')).toMatchObject({
      level: 'warning',
      paths: ['.env', '.net/1.jpg', '.net/2.jpg'],
    });
  });

  it('about pictures in unsupported formats, whose folder is still a class', async () => {
    await write(...pics('cat'), 'dog/1.bmp', 'dog/2.CR2', 'dog/notes.txt');
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['cat', 'dog']);
    expect(finding(dataset, 'unread-formats')?.paths).toEqual(['dog/1.bmp', 'dog/2.CR2']);
    expect(finding(dataset, 'not-images')?.paths).toEqual(['dog/notes.txt']);
    expect(warnings(dataset)).toContain('empty-class');
  });

  it('about files that are not listed, and about files that are not pictures', async () => {
    await write('a.bmp', 'b.jpg', table('index.csv', 'path,label', 'a.bmp,x', 'b.jpg,y'));
    const dataset = await readDataset(own.root);
    expect(finding(dataset, 'not-images')).toBeUndefined();
    expect(finding(dataset, 'unread-formats')).toBeUndefined();
  });

  it('about all files, if there is no picture', async () => {
    await write('a/1.bmp', 'a/2.bmp', 'a/x.txt');
    await expect(readDataset(own.root)).rejects.toThrow('(3 files: 2 .bmp, 1 .txt)');
  });

  it('about lists of splits that are not read, archives, and files without an ending', async () => {
    await write('images/cat/1.jpg', 'images/cat/2', 'images/dog/1.jpg', 'images/more.zip', 'LICENSE');
    await write('meta/train.txt', 'meta/classes.txt', 'train_test_split.txt', 'testlist01.txt', 'train.log');
    await write('training_log.txt', 'contest.txt');
    const dataset = await readDataset(own.root);
    expect(finding(dataset, 'split-files')).toMatchObject({
      level: 'warning',
      paths: ['meta/train.txt', 'testlist01.txt', 'train_test_split.txt'],
    });
    expect(finding(dataset, 'archives')).toMatchObject({ level: 'warning', paths: ['images/more.zip'] });
    expect(finding(dataset, 'no-ending')).toMatchObject({ level: 'warning', paths: ['images/cat/2'] });
    expect(finding(dataset, 'not-images')).toMatchObject({
      level: 'info',
      paths: ['contest.txt', 'LICENSE', 'meta/classes.txt', 'train.log', 'training_log.txt'],
    });
    await write('split/train/cat/1.jpg', 'split/train/dog/1.jpg', 'split/train.txt');
    expect(warnings(await readDataset(join(own.root, 'split')))).toEqual([]);
  });

  it('about entries of a zip that cannot be read, by reason', async () => {
    const zip = zipSync({
      'a/1.jpg': Buffer.from('x'),
      'a/2.jpg': Buffer.from('x'),
      'b/1.jpg': Buffer.from('x'),
    });
    const entry = (k: number) => {
      let at = -1;
      for (let n = 0; n <= k; n++) at = Buffer.from(zip).indexOf('PK\u0001\u0002', at + 1, 'latin1');
      return at;
    };
    zip[entry(0) + 8]! |= 1;
    await write(['some.zip', zip]);
    const dataset = await readDataset(join(own.root, 'some.zip'));
    expect(finding(dataset, 'zip-unusable')).toMatchObject({
      message: '1 entry of the zip is left out (1 encrypted).',
      paths: ['a/1.jpg: encrypted'],
    });
    zip[entry(1) + 10] = 12;
    await write(['class.zip', zip]);
    await expect(readDataset(join(own.root, 'class.zip'))).rejects.toMatchObject({
      code: 'dataset/unreadable-class',
      details: { classes: ['a'], paths: ['a/1.jpg', 'a/2.jpg'] },
    });
    zip[entry(2) + 8]! |= 1;
    await write(['all.zip', zip]);
    await expect(readDataset(join(own.root, 'all.zip'))).rejects.toMatchObject({
      code: 'zip/unusable',
      message: expect.stringContaining('2 encrypted, 1 compressed by bzip2 (method 12)'),
    });
  });
});

describe('links', () => {
  it('that lead to the same folder are followed once: 30 links give 16 pictures', async () => {
    for (let i = 0; i < 16; i++) await write(`all/d${i}/${i}.jpg`);
    for (let i = 0; i < 15; i++) {
      for (const side of ['left', 'right'])
        await symlink(`../d${i + 1}`, join(own.root, `all/d${i}/${side}`));
    }
    const { examples, findings } = await readDataset(own.root);
    expect(examples.length).toBeLessThanOrEqual(2 * 16);
    expect(findings.find(({ code }) => code === 'dataset/link-again')?.paths?.length).toBeGreaterThan(0);
  });

  it('that lead in a circle are not followed', async () => {
    await write(...pics('a'), ...pics('b'));
    await symlink('../b', join(own.root, 'a/to-b'));
    await symlink('../a', join(own.root, 'b/to-a'));
    await symlink('.', join(own.root, 'a/self'));
    await symlink('loop', join(own.root, 'b/loop'));
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['a', 'b']);
    expect(dataset.examples.length).toBeLessThanOrEqual(8);
    expect(warnings(dataset)).toEqual(expect.arrayContaining(['link-loop', 'unreadable']));
  });

  it('to a class folder are reported, because its pictures are read twice', async () => {
    await write(...pics('cat'), ...pics('dog'));
    await symlink('cat', join(own.root, 'a kitty'));
    await symlink('cat', join(own.root, 'kitty'));
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['a kitty', 'cat', 'dog']);
    expect(finding(dataset, 'link-twice')).toMatchObject({ level: 'warning', paths: ['a kitty'] });
    expect(finding(dataset, 'link-again')?.paths).toEqual(['kitty']);
  });

  it('from two classes to one picture give two examples of it', async () => {
    await write('a/1.jpg', 'b/2.jpg');
    await symlink('../a/1.jpg', join(own.root, 'b/1.jpg'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['a/1.jpg a', 'b/1.jpg b', 'b/2.jpg b']);
    expect(Buffer.from(await dataset.examples[1]!.read())).toEqual(await readFile(join(own.root, 'a/1.jpg')));
  });
});
