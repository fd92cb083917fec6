import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { type Content, failure, finding, labelled, ownFolder } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const read = async (columns: string, path = '') =>
  labelled(await readDataset(join(own.root, path), { columns }));
const table = (name: string, ...lines: string[]): Content => [name, lines.join('\n')];

const DOGS = ['1.jpg', '2.jpg', '3.jpg'].map((name) => `img/${name}`);
const ROWS: Content = table(
  'dogs.csv',
  'No;Dog Photo;Breed;class;fold;patient',
  '1;img/1.jpg;pug;7;train;a',
  '2;img/2.jpg;pug;8;train;a',
  '3;img/3.jpg;boxer;7;test;b',
);

it('paths of another machine are found by their ends', async () => {
  await write(
    ...DOGS,
    table('list.csv', 'id_code,class', ...DOGS.map((path, i) => `/home/me/${path},${i % 2}`)),
  );
  for (const path of ['', 'list.csv'])
    expect(labelled(await readDataset(join(own.root, path)))).toEqual(
      DOGS.map((one, i) => `${one} ${i % 2}`),
    );
});

describe('columns that the user names', () => {
  it('are read in CSV, in a folder and as the table itself, with any other columns', async () => {
    await write(...DOGS, ROWS);
    const columns = 'path=Dog Photo, label=breed,split=fold,group=patient';
    const expected = ['img/1.jpg pug train', 'img/2.jpg pug train', 'img/3.jpg boxer test'];
    expect(await read(columns)).toEqual(expected);
    expect(await read(columns, 'dogs.csv')).toEqual(expected);
    const dataset = await readDataset(own.root, { columns });
    expect(dataset.examples.map(({ group }) => group)).toEqual(['a', 'a', 'b']);
    expect(finding(dataset, 'columns')?.message).toBe(
      'dogs.csv: read "Dog Photo" as the path, "Breed" as the label, "patient" as the group.',
    );
  });

  it('take precedence over class folders', async () => {
    await write('a/1.jpg', 'a/2.jpg', 'b/3.jpg');
    await write(table('list.csv', 'file,colour,label', 'a/1.jpg,red,x', 'a/2.jpg,blue,x', 'b/3.jpg,red,y'));
    expect(await read('label=colour')).toEqual(['a/1.jpg red', 'a/2.jpg blue', 'b/3.jpg red']);
  });

  it('are read in JSON Lines and in Parquet, with paths or with pictures', async () => {
    await write(...DOGS, table('d/metadata.jsonl', '{"f":"../img/1.jpg","what":"pug"}'));
    expect(await read('path=f,label=what', 'd/metadata.jsonl')).toEqual(['../img/1.jpg pug']);
    const texts = (name: string, data: string[]) => ({ name, data, type: 'STRING' as const });
    const paths = parquetWriteBuffer({
      columnData: [texts('where', DOGS), texts('label', ['x', 'x', 'y']), texts('breed', ['a', 'b', 'b'])],
    });
    await write(['list.parquet', new Uint8Array(paths)]);
    expect(await read('path=where,label=breed', 'list.parquet')).toEqual(
      DOGS.map((path, i) => `${path} ${'abb'[i]}`),
    );
    const bytes = ['p', 'q'].map((text) => new TextEncoder().encode(text));
    const pictures = parquetWriteBuffer({
      columnData: [
        { name: 'mask', data: bytes, type: 'BYTE_ARRAY' },
        { name: 'photo', data: bytes.toReversed(), type: 'BYTE_ARRAY' },
        texts('breed', ['a', 'b']),
        texts('fold', ['train', 'test']),
      ],
    });
    await write(['in/data.parquet', new Uint8Array(pictures)]);
    const { examples } = await readDataset(join(own.root, 'in'), {
      columns: 'path=photo,label=breed,split=fold',
    });
    expect(examples.map(({ split }) => split)).toEqual(['train', 'test']);
    expect(new TextDecoder().decode(await examples[0]!.read())).toBe('q');
  });

  it('are not needed for metadata.parquet beside the pictures, which is an index', async () => {
    const column = (name: string, data: string[]) => ({ name, data, type: 'STRING' as const });
    const index = parquetWriteBuffer({
      columnData: [column('file_name', ['1.jpg', '2.jpg']), column('label', ['cat', 'dog'])],
    });
    await write('train/1.jpg', 'train/2.jpg', ['train/metadata.parquet', new Uint8Array(index)]);
    expect(labelled(await readDataset(own.root))).toEqual(['train/1.jpg cat train', 'train/2.jpg dog train']);
  });

  it('are refused if no table has them, or if there is no table', async () => {
    await write(...DOGS, ROWS);
    await expect(read('label=race')).rejects.toEqual(failure('column'));
    await expect(read('path=Dog Photo,label=race')).rejects.toMatchObject({
      message:
        'dogs.csv has no column "race" (it has "No", "Dog Photo", "Breed", "class", "fold", "patient")',
    });
    await write('cats/a/1.jpg', 'cats/b/2.jpg');
    await expect(read('label=race', 'cats')).rejects.toMatchObject({
      code: 'dataset/no-effect',
      exitCode: 2,
      message: expect.stringContaining('--columns has no effect'),
    });
    for (const columns of ['breed', 'colour=x', 'label=', 'label=a,label=b'])
      await expect(read(columns)).rejects.toMatchObject({ code: 'option/value', exitCode: 2 });
  });
});
