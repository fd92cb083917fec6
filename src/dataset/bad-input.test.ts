import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { TipAdapterError } from '../errors.ts';
import { tarball } from '../store/tarball.fixture.ts';
import { ownFolder } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const bytesOf = (content: string | Uint8Array) =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;
const photos = ['images/1.jpg', 'images/2.jpg'];
const names = (data: string[]) => ({ data, type: 'STRING' as const });
const idx = (sizes: number[], values: number[]) =>
  new Uint8Array([0, 0, 8, sizes.length, ...sizes.flatMap((size) => [0, 0, 0, size]), ...values]);

/** The files beside the pictures for each layout. The first of them is damaged. */
const LAYOUTS: Record<string, [string, string | Uint8Array][]> = {
  csv: [['index.csv', 'path,label,split\r\nimages/1.jpg,"cat, big",train\nimages/2.jpg,dog,test\r']],
  jsonl: [['index.jsonl', '{"path":"images/1.jpg","label":"cat"}\n{"path":"images/2.jpg","label":"dog"}\n']],
  card: [
    ['README.md', '---\ndata: {class_label: {names: {0: cat, 1: dog}}}\n---\n'],
    ['index.csv', 'path,label\nimages/1.jpg,0\nimages/2.jpg,1\n'],
  ],
  coco: [
    [
      'annotations.json',
      '{"images":[{"id":1,"file_name":"1.jpg","width":9,"height":9}],"annotations":[{"image_id":1,"category_id":1,"bbox":[1,2,3,4]}],"categories":[{"id":1,"name":"cat"}]}',
    ],
  ],
  voc: [
    [
      'Annotations/1.xml',
      '<annotation><size><width>9</width><height>9</height></size><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>',
    ],
  ],
  cvat: [
    [
      'annotations.xml',
      '<annotations><image name="1.jpg" width="9" height="9"><polygon label="cat" points="1,2;3,4"/></image></annotations>',
    ],
  ],
  labelme: [['images/1.json', '{"imagePath":"1.jpg","shapes":[{"label":"cat","points":[[1,2],[3,4]]}]}']],
  'label studio': [
    [
      'p.json',
      '[{"data":{"image":"images/1.jpg"},"annotations":[{"result":[{"value":{"x":1,"y":2,"width":3,"height":4,"rectanglelabels":["cat"]}}]}]}]',
    ],
  ],
  via: [
    [
      'via.json',
      '{"1":{"filename":"images/1.jpg","regions":[{"shape_attributes":{"name":"rect","x":1,"y":2,"width":3,"height":4},"region_attributes":{"a":"cat"}}]}}',
    ],
  ],
  yolo: [
    ['labels/1.txt', '0 0.5 0.5 0.1 0.1\n1 0.1 0.2 0.3 0.4 0.5 0.6'],
    ['data.yaml', 'names: [cat, dog]'],
  ],
  'data.yaml': [
    ['data.yaml', 'train: images\nnames:\n  0: cat\n  1: dog\n'],
    ['labels/1.txt', '0 1 1 1 1'],
  ],
  roboflow: [['images/_classes.csv', 'filename,cat,dog\n1.jpg,1,0\n2.jpg,0,1']],
  webdataset: [
    [
      'a.tar.gz',
      tarball([
        [{ path: '1.jpg' }, 'x'],
        [{ path: '1.cls' }, '0'],
      ]),
    ],
  ],
  zip: [['z/a.zip', zipSync({ 'cat/1.jpg': bytesOf('cat'), 'dog/2.jpg': bytesOf('dog'.repeat(99)) })]],
  parquet: [
    [
      'd.parquet',
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'path', ...names(photos) },
            { name: 'label', ...names(['cat', 'dog']) },
          ],
        }),
      ),
    ],
  ],
  idx: [
    ['train-labels-idx1-ubyte', idx([2], [1, 2])],
    ['train-images-idx3-ubyte', idx([2, 1, 1], [8, 9])],
  ],
  pickle: [
    ['batches.meta', Buffer.from('\x80\x02}(U\x0blabel_names](U\x03catU\x03dogeu.', 'latin1')],
    ['data_batch_1', Buffer.from('\x80\x02}.', 'latin1')],
  ],
  pets: [['annotations/test.txt', 'images/pug_1 1 1 1\n']],
  datumaro: [
    [
      'annotations/default.json',
      '{"categories":{"label":{"labels":[{"name":"cat"}]}},"items":[{"id":"1","annotations":[{"type":"bbox","label_id":0,"bbox":[1,2,3,4]}],"image":{"path":"1.jpg","size":[9,9]}}]}',
    ],
  ],
  fiftyone: [['labels.json', '{"classes":["cat","dog"],"labels":{"images/1":0,"images/2":1}}']],
  scenes: [['ClassName.txt', '/a/abbey\n/b/bow_window/indoor\n']],
  'table of boxes': [['train.csv', 'image,x0,y0,x1,y1,class\n1.jpg,1,2,3,4,cat\n1.jpg,1,2,3,4,dog\n']],
  lists: [
    ['train.txt', 'images/1.jpg\nimages/2.jpg\n'],
    ['test.txt', 'images/1.jpg'],
  ],
};

describe('damaged files are read in part or refused with a named error', () => {
  it.each(Object.entries(LAYOUTS))('%s', async (_, [first, ...others]) => {
    const [path, content] = first!;
    const whole = bytesOf(content);
    const write = async (name: string, bytes: Uint8Array) => {
      await mkdir(dirname(join(own.root, name)), { recursive: true });
      await writeFile(join(own.root, name), bytes);
    };
    for (const name of photos) await write(name, bytesOf(''));
    for (const [name, text] of others) await write(name, bytesOf(text));
    const place = fc.nat(whole.length - 1);
    const cut = place.map((end) => whole.subarray(0, end));
    // Changed bytes of Parquet can make its decoder run for a minute: parquet-damage.test.ts tests them with a shorter limit.
    const damage = path.endsWith('.parquet')
      ? cut
      : fc.oneof(
          cut,
          fc
            .tuple(place, fc.nat(255))
            .map(([at, value]) => whole.map((byte, i) => (i === at ? value : byte))),
          fc.tuple(place, place).map(([a, b]) => Buffer.concat([whole.subarray(0, a), whole.subarray(b)])),
        );
    const read = async (bytes: Uint8Array) => {
      await write(path, bytes);
      for (const options of [{}, { crop: 'boxes' as const }]) {
        try {
          const { examples, classes } = await readDataset(own.root, options);
          expect(examples.every(({ label }) => label >= -1 && label < classes.length)).toBe(true);
        } catch (error) {
          if (!(error instanceof TipAdapterError)) throw error;
          expect(error.exitCode).toBeGreaterThan(1);
        }
      }
    };
    await read(whole);
    await fc.assert(fc.asyncProperty(damage, read), { numRuns: 30 });
  });
});
