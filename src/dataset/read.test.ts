import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { classIds, failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';
import type { Dataset } from './types.ts';

const own = ownFolder();
const { write } = own;

describe('folders of classes', () => {
  it('reads <class>/*, classes and pictures in natural order', async () => {
    await write('class 10/b10.jpg', 'class 10/b9.PNG', 'class 2/x.webp', '猫/一.jpg', 'cafe\u0301/1.jpg');
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['café', 'class 2', 'class 10', '猫']);
    expect(labelled(dataset).slice(1)).toEqual([
      'class 2/x.webp class 2',
      'class 10/b9.PNG class 10',
      'class 10/b10.jpg class 10',
      '猫/一.jpg 猫',
    ]);
    const first = dataset.examples[0]!;
    expect(new TextDecoder().decode(await first.read())).toBe('cafe\u0301/1.jpg');
    expect(existsSync(first.path!)).toBe(true);
    expect(finding(dataset, 'found')?.message).toBe('4 classes, 5 pictures, read from <class>/ folders.');
  });

  it('leaves out hidden and system files, and counts and lists files that are not pictures', async () => {
    await write(
      'a/1.jpg',
      'b/1.jpg',
      'a/.DS_Store',
      'a/Thumbs.db',
      '__MACOSX/a/._1.jpg',
      '.git/x.jpg',
      'a/notes.txt',
    );
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['a/1.jpg a', 'b/1.jpg b']);
    expect(finding(dataset, 'not-images')?.paths).toEqual(['a/notes.txt']);
  });

  it('keeps a class without pictures, and pictures in sub-folders, and reports both', async () => {
    await write('a/1.jpg', 'a/day 1/2.jpg', 'empty/', 'loose.jpg');
    const dataset = await readDataset(own.root);
    expect(classIds(dataset)).toEqual(['a', 'empty']);
    expect(labelled(dataset)).toEqual(['a/1.jpg a', 'a/day 1/2.jpg a']);
    expect(warnings(dataset)).toEqual(['outside-classes', 'nested', 'empty-class']);
    expect(finding(dataset, 'outside-classes')?.paths).toEqual(['loose.jpg']);
  });

  it('leaves out a class folder inside another class', async () => {
    await write('cat/1.jpg', 'dog/1.jpg', 'cat/dog/2.jpg');
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['cat/1.jpg cat', 'dog/1.jpg dog']);
    expect(finding(dataset, 'ambiguous-class')?.paths).toEqual(['cat/dog/2.jpg']);
  });

  it('reads {train,valid,test}/<class>/*, and one split of it', async () => {
    await write('train/a/1.jpg', 'Valid/a/2.jpg', 'test/b/3.jpg', 'test/unknown.jpg');
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'test/b/3.jpg b test',
      'test/unknown.jpg  test',
      'train/a/1.jpg a train',
      'Valid/a/2.jpg a val',
    ]);
    expect(warnings(dataset)).toEqual(['unlabelled']);
    const test = await readDataset(own.root, { split: 'test' });
    expect(test.examples).toHaveLength(2);
    expect(classIds(test)).toEqual(['a', 'b']);
  });

  it('refuses a missing split', async () => {
    await write('train/a/1.jpg', 'train/b/2.jpg');
    await expect(readDataset(own.root, { split: 'val' })).rejects.toThrow(/no split "val" \(it has train\)/);
  });

  it('reads <class>/{train,test}/*', async () => {
    await write('a/train/1.jpg', 'a/test/2.jpg', 'b/train/3.jpg');
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'a/test/2.jpg a test',
      'a/train/1.jpg a train',
      'b/train/3.jpg b train',
    ]);
    expect(warnings(dataset)).toEqual([]);
  });

  it('distinguishes the class "train" from the split', async () => {
    await write('train/1.jpg', 'car/2.jpg', 'bus/3.jpg');
    expect(classIds(await readDataset(own.root))).toEqual(['bus', 'car', 'train']);
  });

  it('refuses folders that may or may not be splits', async () => {
    await write('train/steam/1.jpg', 'train/diesel/2.jpg', 'car/2.jpg');
    await expect(readDataset(own.root)).rejects.toThrow(failure('ambiguous-layout'));
  });

  it('descends into a folder that wraps all others', async () => {
    await write('photos/a/1.jpg', 'photos/b/1.jpg');
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['photos/a/1.jpg a', 'photos/b/1.jpg b']);
    expect(finding(dataset, 'wrapped')?.message).toContain('photos/');
  });

  it('keeps a sole class as a class', async () => {
    await write('a/1.jpg');
    expect(classIds(await readDataset(own.root))).toEqual(['a']);
  });

  it('follows links inside the folder; refuses loops, links out of it and broken ones', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'outside-'));
    await writeFile(join(outside, 'secret.jpg'), '');
    await write('a/1.jpg', 'b/2.jpg');
    await symlink(join(own.root, 'a'), join(own.root, 'c'));
    await symlink(join(own.root, 'a/1.jpg'), join(own.root, 'b/linked.jpg'));
    await symlink(own.root, join(own.root, 'b/loop'));
    await symlink(outside, join(own.root, 'd'));
    await symlink(join(outside, 'secret.jpg'), join(own.root, 'a/out.jpg'));
    await symlink(join(own.root, 'gone.jpg'), join(own.root, 'a/gone.jpg'));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['a/1.jpg a', 'b/2.jpg b', 'b/linked.jpg b', 'c/1.jpg c']);
    expect(finding(dataset, 'link-loop')?.paths).toEqual(['b/loop']);
    expect(finding(dataset, 'link-outside')?.paths?.sort()).toEqual(['a/out.jpg', 'c/out.jpg', 'd']);
    expect(dataset.unreadable).toEqual(
      ['a/gone.jpg', 'c/gone.jpg'].map((path) => ({ path, reason: 'the link leads to nothing' })),
    );
    await rm(outside, { recursive: true });
  });

  it('reads very long names', async () => {
    const long = '长'.repeat(80);
    await write(`${long}/${'x'.repeat(250)}.jpg`, 'b/1.jpg');
    expect(classIds(await readDataset(own.root))).toEqual(['b', long]);
  });
});

describe('tables', () => {
  it('reads a CSV with BOM, CRLF, quotes, splits and groups, relative to the file', async () => {
    await write('in/1.jpg', 'in/2, b.jpg', 'in/3.jpg', [
      'list.csv',
      '\ufeffPath,Label,split,group\r\nin/3.jpg,"dog, big",test,\r\n"in/2, b.jpg",cat,validation,burst 1\r\nin/1.jpg,cat,Train,burst 1\r\n',
    ]);
    const dataset = await readDataset(join(own.root, 'list.csv'));
    expect(labelled(dataset)).toEqual([
      'in/3.jpg dog, big test',
      'in/2, b.jpg cat val',
      'in/1.jpg cat train',
    ]);
    expect(dataset.examples.map(({ group }) => group)).toEqual([undefined, 'burst 1', 'burst 1']);
    expect(dataset.findings.map(({ message }) => message)).toEqual([
      '2 classes, 3 pictures (1 train, 1 val, 1 test), read from list.csv.',
      '1 class has no pictures in val: "dog, big"',
      '1 class has no pictures in test: "cat"',
    ]);
    expect(new TextDecoder().decode(await dataset.examples[0]!.read())).toBe('in/3.jpg');
  });

  it.each([
    ['semicolons', 'list.csv', 'path;label\n1.jpg;a, or b\n2.jpg;c'],
    ['tabs', 'list.tsv', 'path\tlabel\n1.jpg\ta, or b\n2.jpg\tc'],
    [
      'JSON Lines',
      'list.jsonl',
      '{"path":"1.jpg","label":"a, or b"}\n\n{"label":"c","path":"2.jpg","boxes":[1]}\n',
    ],
    [
      'UTF-16, as Excel saves it',
      'list.csv',
      Buffer.from('\ufeffpath\tlabel\n1.jpg\ta, or b\n2.jpg\tc', 'utf16le'),
    ],
  ])('reads %s', async (_, name, content) => {
    await write('1.jpg', '2.jpg', [name, content]);
    expect(labelled(await readDataset(join(own.root, name)))).toEqual(['1.jpg a, or b', '2.jpg c']);
  });

  it('leaves out, counts and lists rows that cannot be used', async () => {
    await write('1.jpg', '2.jpg', '3.jpg', [
      'list.csv',
      'path,label,split\n1.jpg,a,train\n1.jpg,a,train\n./1.jpg,b,train\ngone.jpg,a,train\n,a,train\n1.jpg,a,test\n2.jpg,,train\n3.jpg,a,\n',
    ]);
    const dataset = await readDataset(join(own.root, 'list.csv'));
    expect(labelled(dataset)).toEqual(['1.jpg a test', '2.jpg  train', '3.jpg a']);
    expect(warnings(dataset)).toEqual([
      'one-class',
      'missing-files',
      'repeated',
      'contradictory',
      'two-splits',
      'no-path',
      'unlabelled',
      'no-split',
    ]);
    expect(finding(dataset, 'missing-files')?.paths).toEqual(['gone.jpg']);
  });

  it.each([
    ['no header', 'list.csv', '1.jpg,a\n2.jpg,b', 'column'],
    ['no label column', 'list.csv', 'path,caption\n1.jpg,a', 'column'],
    ['nothing', 'list.csv', '', 'column'],
    ['an open quote', 'list.csv', 'path,label\n"1.jpg,a\n2.jpg,b', 'table'],
    ['more fields than columns', 'list.csv', 'path,label\n1.jpg,a,b', 'table'],
    ['broken JSON', 'list.jsonl', '{"path":"1.jpg","label":"a"}\n{"path":', 'table'],
    ['a JSON list', 'list.jsonl', '[1]', 'table'],
    ['another encoding', 'list.csv', Uint8Array.of(0x70, 0x2c, 0xc3, 0xa8, 0xcb), 'encoding'],
    ['no file that is there', 'list.csv', 'path,label\ngone.jpg,a', 'empty'],
  ])('refuses a table with %s', async (_, name, content, code) => {
    await write('1.jpg', [name, content]);
    await expect(readDataset(join(own.root, name))).rejects.toThrow(failure(code));
  });

  it('names the malformed line', async () => {
    await write('1.jpg', ['list.csv', 'path,label\n1.jpg,a\n1.jpg,a,b\n']);
    await expect(readDataset(join(own.root, 'list.csv'))).rejects.toThrow('list.csv, line 3, has 3 fields');
  });

  it('reads a folder with an index.csv, which may not lead out of it', async () => {
    await write(
      'data/1.jpg',
      'data/2.jpg',
      'out.jpg',
      ['data/index.csv', 'path,label\n1.jpg,a\n../out.jpg,b\nx\\..\\2.jpg,c\n'],
      'data/3.jpg',
    );
    const dataset = await readDataset(join(own.root, 'data'));
    expect(labelled(dataset)).toEqual(['1.jpg a', '2.jpg c']);
    expect(finding(dataset, 'missing-files')?.paths).toEqual(['../out.jpg']);
    expect(finding(dataset, 'unlisted')?.paths).toEqual(['3.jpg']);
    expect(finding(dataset, 'not-images')).toBeUndefined();
  });

  it("reads Hugging Face's metadata, at the top and in split folders", async () => {
    await write(
      'train/1.jpg',
      'test/2.jpg',
      ['train/metadata.csv', 'file_name,label\n1.jpg,a'],
      ['test/metadata.jsonl', '{"file_name":"2.jpg","label":3}'],
    );
    expect(labelled(await readDataset(own.root))).toEqual(['test/2.jpg 3 test', 'train/1.jpg a train']);
    await write(['metadata.csv', 'file_name,label\ntrain/1.jpg,b']);
    expect(labelled(await readDataset(own.root))).toEqual(['train/1.jpg b']);
  });

  it('uses the class folders if the metadata have no labels', async () => {
    await write('a/1.jpg', 'b/2.jpg', ['metadata.csv', 'file_name,text\na/1.jpg,nice']);
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['a/1.jpg a', 'b/2.jpg b']);
    expect(finding(dataset, 'index-unused')?.message).toContain('"file_name", "text"');
  });

  it('finds the classes.csv in the data, or uses the given one', async () => {
    await write('n01/1.jpg', 'n02/1.jpg', ['classes.csv', 'id,name\nn01,猫\nn02,狗']);
    const names = ({ classes }: Dataset) => classes.map(({ name }) => name);
    const dataset = await readDataset(own.root);
    expect(names(dataset)).toEqual(['猫', '狗']);
    expect(finding(dataset, 'not-images')).toBeUndefined();
    await write(['other.csv', 'id,name\nn01,cat']);
    expect(names(await readDataset(own.root, { classes: join(own.root, 'other.csv') }))).toEqual([
      'cat',
      'n02',
    ]);
    await expect(readDataset(own.root, { classes: join(own.root, 'no.csv') })).rejects.toThrow(
      failure('missing'),
    );
    await write(['list.csv', 'path,label\nn01/1.jpg,n01']);
    expect(names(await readDataset(join(own.root, 'list.csv')))).toEqual(['猫']);
  });
});

describe('zip archives', () => {
  const archive = async (files: Zippable) => write(['photos.zip', zipSync(files)]);
  const bytes = (text: string) => new TextEncoder().encode(text);

  it('reads class folders inside another folder, and leaves out the files that macOS adds', async () => {
    await archive({
      'photos/': new Uint8Array(),
      'photos/猫/1.jpg': bytes('cat'),
      'photos/dog/2.jpg': bytes('dog'),
      'photos/empty/': new Uint8Array(),
      '__MACOSX/photos/dog/._2.jpg': bytes('?'),
    });
    const dataset = await readDataset(join(own.root, 'photos.zip'));
    expect(dataset.name).toBe('photos');
    expect(labelled(dataset)).toEqual(['photos/dog/2.jpg dog', 'photos/猫/1.jpg 猫']);
    expect(warnings(dataset)).toEqual(['empty-class']);
    expect(dataset.examples[0]!.path).toBeUndefined();
    expect(new TextDecoder().decode(await dataset.examples[0]!.read())).toBe('dog');
  });

  it('reads an index and a classes.csv inside', async () => {
    await archive({
      'd/index.csv': bytes('path,label,split\nimages/1.jpg,7,train\nimages/2.jpg,8,test'),
      'd/classes.csv': bytes('id,name\n7,cat\n8,dog'),
      'd/images/1.jpg': bytes('1'),
      'd/images/2.jpg': bytes('2'),
    });
    const dataset = await readDataset(join(own.root, 'photos.zip'));
    expect(labelled(dataset)).toEqual(['d/images/1.jpg 7 train', 'd/images/2.jpg 8 test']);
    expect(dataset.classes.map(({ name }) => name)).toEqual(['cat', 'dog']);
    expect(warnings(dataset)).toEqual([]);
  });
});

describe('something that is not a data set', () => {
  it.each([
    ['a missing path', [], 'gone', 'missing'],
    ['an empty folder', ['empty/'], 'empty', 'empty'],
    ['folders without pictures', ['x/a/', 'x/b/notes.txt'], 'x', 'empty'],
    ['pictures without class folders', ['x/1.jpg', 'x/2.jpg'], 'x', 'empty'],
    ['splits without class folders', ['x/train/1.jpg', 'x/test/2.jpg'], 'x', 'no-classes'],
    ['a picture', ['1.jpg'], '1.jpg', 'kind'],
    ['some other file', ['notes.txt'], 'notes.txt', 'kind'],
    ['several data sets', [['x/a/index.csv', ''], 'x/b/1.jpg'] as [string, string][], 'x', 'several'],
  ])('refuses %s and shows a layout', async (_, files, source, code) => {
    await write(...files);
    const error = await readDataset(join(own.root, source)).catch((thrown) => thrown);
    expect(error).toEqual(failure(code));
    expect(error.hint).toBeTruthy();
    expect(error.message).toContain(own.root);
  });

  it.skipIf(process.getuid?.() === 0)(
    'says which folder may not be read (not testable as root)',
    async () => {
      await write('a/1.jpg', 'b/1.jpg', 'c/1.jpg');
      await chmod(join(own.root, 'c'), 0);
      await expect(readDataset(own.root)).rejects.toMatchObject({
        code: 'dataset/unreadable-class',
        details: { classes: ['c'] },
      });
      await chmod(join(own.root, 'c'), 0o700);
    },
  );

  it('refuses an unreadable class, and names the classes with unreadable pictures', async () => {
    await write('train/a/1.jpg', 'train/b/1.jpg', 'test/a/1.jpg', 'test/b/');
    await symlink('gone.jpg', join(own.root, 'test/b/1.jpg'));
    const dataset = await readDataset(own.root);
    expect(dataset.unreadable).toEqual([{ path: 'test/b/1.jpg', reason: 'the link leads to nothing' }]);
    expect(finding(dataset, 'unreadable-class')?.paths).toEqual(['b']);
    await rm(join(own.root, 'train/b/1.jpg'));
    await expect(readDataset(own.root)).rejects.toMatchObject({
      code: 'dataset/unreadable-class',
      message: expect.stringMatching(/^No picture of the class "b" of .* can be read$/),
      details: { paths: ['test/b/1.jpg'] },
    });
  });

  it('stops when the signal fires', async () => {
    await write('a/1.jpg');
    await expect(readDataset(own.root, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'interrupted',
    });
  });

  it('names a picture that was removed after listing', async () => {
    await write('a/1.jpg');
    const { examples } = await readDataset(own.root);
    await rm(join(own.root, 'a/1.jpg'));
    await expect(examples[0]!.read()).rejects.toThrow(failure('missing'));
  });
});

const shared = join(import.meta.dirname, '../../../shared/data');

describe.skipIf(!existsSync(shared))('real photos (skipped if ../shared/data is missing)', () => {
  it.each([
    ['ci_mini/caltech101', 10, 40, 0, 80],
    ['ci_mini/eurosat', 10, 40, 0, 80],
    ['photos/caltech101', 100, 1600, 400, 999],
    ['photos/eurosat', 10, 160, 80, 1000],
    ['photos/dtd10', 10, 160, 80, 360],
    ['photos/food10', 10, 240, 0, 400],
  ])('reads %s', async (folder, classes, train, val, test) => {
    const dataset = await readDataset(join(shared, folder));
    const of = (split: string) => dataset.examples.filter((example) => example.split === split).length;
    expect([dataset.classes.length, of('train'), of('val'), of('test')]).toEqual([classes, train, val, test]);
    expect(warnings(dataset)).toEqual([]);
    const { examples } = await readDataset(join(shared, folder, 'index.csv'));
    expect(examples.map(({ id, label }) => [id, label])).toEqual(
      dataset.examples.map(({ id, label }) => [id, label]),
    );
    expect((await dataset.examples[0]!.read()).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  });

  it('refuses the folder of data sets', async () => {
    await expect(readDataset(join(shared, 'ci_mini'))).rejects.toThrow(failure('several'));
  });
});
