import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Content, failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));
const refused = (path = '') => readDataset(join(own.root, path)).catch((error) => error);
const json = (name: string, value: unknown): Content => [name, JSON.stringify(value)];

/** As pycocotools reads it: `[picture, ...classes]`. */
function coco(...pictures: string[][]) {
  const names = [...new Set(pictures.flatMap(([, ...classes]) => classes))];
  return {
    images: pictures.map(([file_name], id) => ({ id, file_name, width: 30, height: 20 })),
    annotations: pictures.flatMap(([, ...classes], image_id) =>
      classes.map((name, i) => ({
        id: 100 * image_id + i,
        image_id,
        category_id: 1 + names.indexOf(name),
        bbox: [0, 0, 10, 10],
        iscrowd: 0,
      })),
    ),
    categories: [
      { id: 0, name: 'things', supercategory: 'none' },
      ...names.map((name, i) => ({ id: 1 + i, name })),
    ],
  };
}

describe('COCO', () => {
  it('is read from annotations.json beside images/, and from the file itself', async () => {
    await write('images/1.jpg', 'images/2.jpg', 'images/3.jpg', 'images/4.jpg');
    const value = coco(['1.jpg', 'cat', 'cat'], ['2.jpg', 'dog'], ['3.jpg'], ['gone.jpg', 'dog']);
    value.annotations.push({ id: 900, image_id: 77, category_id: 1, bbox: [], iscrowd: 0 });
    value.annotations.push({ id: 901, image_id: 1, category_id: 9, bbox: [], iscrowd: 0 });
    await write(json('annotations.json', value));
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['images/1.jpg cat', 'images/2.jpg dog', 'images/3.jpg ']);
    expect(warnings(dataset)).toEqual([
      'missing-files',
      'unlabelled',
      'stray-annotations',
      'stray-annotations',
    ]);
    expect(finding(dataset, 'found')?.message).toContain('read from COCO annotations (annotations.json)');
    expect(finding(dataset, 'unlisted')?.paths).toEqual(['images/4.jpg']);
    expect(finding(dataset, 'unused-categories')?.paths).toEqual(['things']);
    expect(await read('annotations.json')).toEqual(['images/1.jpg cat', 'images/2.jpg dog', 'images/3.jpg ']);
  });

  it("is read from a file of instances for each split, and from Roboflow's files", async () => {
    await write('train2017/1.jpg', 'val2017/1.jpg');
    await write(json('annotations/instances_train2017.json', coco(['1.jpg', 'cat'])));
    await write(json('annotations/instances_val2017.json', coco(['1.jpg', 'dog'])));
    await write(
      json('annotations/captions_val2017.json', { images: [], annotations: [{ caption: 'a dog' }] }),
    );
    expect(await read()).toEqual(['train2017/1.jpg cat train', 'val2017/1.jpg dog val']);
    await write('r/train/1.jpg', json('r/train/_annotations.coco.json', coco(['1.jpg', 'cat'])));
    await write('r/valid/2.jpg', json('r/valid/_annotations.coco.json', coco(['2.jpg', 'dog'])));
    expect(await read('r')).toEqual(
      ['r/train/1.jpg cat train', 'r/valid/2.jpg dog val'].map((one) => one.slice(2)),
    );
  });

  it('is refused with the number of pictures that have several classes', async () => {
    await write('1.jpg', '2.jpg', json('a.json', coco(['1.jpg', 'cat', 'dog'], ['2.jpg', 'dog'])));
    const error = await refused();
    expect(error).toEqual(failure('several-labels'));
    expect(error.message).toContain('1 of 2 pictures show several classes, such as 1.jpg ("cat", "dog")');
  });

  it.each([
    [
      'an id twice',
      {
        ...coco(['1.jpg', 'cat']),
        categories: [
          { id: 1, name: 'a' },
          { id: 1, name: 'b' },
        ],
      },
    ],
    ['no name', { ...coco(['1.jpg', 'cat']), images: [{ id: 0 }] }],
    ['no list', { ...coco(['1.jpg', 'cat']), annotations: {} }],
  ])('is refused with %s', async (_, value) => {
    await write('1.jpg', json('a.json', value));
    expect(await refused()).toEqual(failure('annotations'));
  });

  it('is refused if it is cut short', async () => {
    await write('images/1.jpg', ['annotations.json', JSON.stringify(coco(['1.jpg', 'cat'])).slice(0, -20)]);
    expect((await refused()).message).toBe(
      'annotations.json cannot be read: it is not JSON, or it is larger than 256 MiB',
    );
  });

  it('finds pictures by paths of another machine, but not by paths that lead out of the folder', async () => {
    await write('set/images/1.jpg', 'set/images/2.jpg', 'secret.jpg');
    await write(
      json('set/a.json', coco(['C:\\work\\images\\1.jpg', 'cat'], ['C:\\work\\images\\2.jpg', 'dog'])),
    );
    expect(await read('set')).toEqual(['images/1.jpg cat', 'images/2.jpg dog']);
    await write(json('set/a.json', coco(['/home/x/images/1.jpg', 'cat'], ['/home/x/images/2.jpg', 'dog'])));
    expect(await read('set')).toEqual(['images/1.jpg cat', 'images/2.jpg dog']);
    await write(json('set/a.json', coco(['images/1.jpg', 'cat'], ['../secret.jpg', 'dog'])));
    expect(await read('set')).toEqual(['images/1.jpg cat']);
  });
});

const voc = (name: string, ...classes: string[]) =>
  `<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>${name}</filename>\n${classes
    .map((one) => `\t<object>\n\t\t<name>${one}</name>\n\t\t<difficult>0</difficult>\n\t</object>\n`)
    .join('')}</annotation>\n`;

describe('Pascal VOC', () => {
  it('is read from Annotations, JPEGImages and ImageSets/Main', async () => {
    for (const [i, name] of ['cat', 'cat', 'dog', 'dog'].entries())
      await write(`VOC2012/JPEGImages/${i}.jpg`, [
        `VOC2012/Annotations/${i}.xml`,
        voc(`${i}.jpg`, name, name),
      ]);
    await write('VOC2012/SegmentationClass/0.png');
    await write(
      ['VOC2012/ImageSets/Main/trainval.txt', '0\n1\n2\n'],
      ['VOC2012/ImageSets/Main/val.txt', '2\r\n'],
    );
    await write(['VOC2012/ImageSets/Main/dog_test.txt', '3  1\n']);
    const dataset = await readDataset(own.root);
    expect(labelled(dataset).map((one) => one.slice(19))).toEqual([
      '0.jpg cat train',
      '1.jpg cat train',
      '2.jpg dog val',
      '3.jpg dog test',
    ]);
    expect(warnings(dataset)).toEqual([]);
  });

  it('is read from files beside the pictures, and from folders of splits', async () => {
    await write('images/1.jpg', ['images/1.xml', voc('other.jpg', 'cat')], 'images/2.jpg');
    await write(['images/2.xml', voc('2.jpg', 'dog &amp; co')]);
    expect(await read()).toEqual(['images/1.jpg cat', 'images/2.jpg dog & co']);
    await write('s/train/1.jpg', ['s/train/1.xml', voc('1.jpg', 'a')], 's/valid/1.jpg', [
      's/valid/1.xml',
      voc('1.jpg', 'b'),
    ]);
    expect(await read('s')).toEqual(['train/1.jpg a train', 'valid/1.jpg b val']);
  });

  it('is refused if a picture has several classes or a file is damaged', async () => {
    await write('1.jpg', ['1.xml', voc('1.jpg', 'cat', 'dog')]);
    expect(await refused()).toEqual(failure('several-labels'));
    await write(['1.xml', '<annotation><object>']);
    expect(await refused()).toEqual(failure('annotations'));
    await write(['1.xml', '<annotation><object></object></annotation>']);
    expect(await refused()).toEqual(failure('annotations'));
  });
});

describe('CVAT for images', () => {
  it('takes the class from tags, or from shapes if there are no tags', async () => {
    await write('images/1.jpg', 'images/2.jpg', 'images/3.jpg', [
      'annotations.xml',
      `<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>
       <image id="0" name="1.jpg" subset="Train" width="3" height="2"><box label="ear" xtl="0"/><tag label="cat" source="manual"/></image>
       <image id="1" name="2.jpg" subset="Validation"><box label="dog"/><polygon label="dog" points="1,2"/></image>
       <image id="2" name="4.jpg"/></annotations>`,
    ]);
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual(['images/1.jpg cat train', 'images/2.jpg dog val']);
    expect(warnings(dataset)).toEqual(['missing-files']);
  });

  it('is refused if it annotates a video', async () => {
    await write('images/1.jpg', [
      'annotations.xml',
      '<annotations><track id="0" label="cat"/></annotations>',
    ]);
    expect((await refused()).message).toContain('it annotates a video, not pictures');
  });
});

describe('Datumaro, as CVAT exports it', () => {
  const subset = (name: string, ...items: [string, number][]) =>
    json(`annotations/${name}.json`, {
      categories: { label: { labels: [{ name: 'cat' }, { name: 'dog' }] } },
      items: items.map(([id, label_id]) => ({
        id,
        annotations: [
          { type: 'label', label_id },
          { type: 'bbox', label_id: 0, bbox: [1, 1, 2, 2] },
        ],
        image: { path: `${id}.jpg`, size: [9, 9] },
      })),
    });

  it('takes the class from labels of the whole picture, and the split from the subset', async () => {
    await write('images/train/1.jpg', 'images/train/2.jpg', 'images/validation/1.jpg');
    await write(subset('train', ['1', 0], ['2', 1], ['3', 1]), subset('validation', ['1', 1]));
    const dataset = await readDataset(own.root);
    const expected = ['train/1.jpg cat train', 'train/2.jpg dog train', 'validation/1.jpg dog val'];
    expect(labelled(dataset)).toEqual(expected.map((row) => `images/${row}`));
    expect(warnings(dataset)).toEqual(['missing-files']);
  });

  it('is refused if a label is out of range', async () => {
    await write('images/default/1.jpg', subset('default', ['1', 7]));
    expect((await refused()).message).toContain('"1" has the label 7, and the data set has 2 labels');
  });
});

describe('FiftyOne', () => {
  it('is read from labels.json beside data/', async () => {
    await write('data/1.jpg', 'data/2.png', 'data/3.jpg');
    const file = (labels: object) => json('labels.json', { classes: ['cat', 'dog'], labels });
    await write(file({ 1: 0, 2: 'dog', 3: null }));
    expect(await read()).toEqual(['data/1.jpg cat', 'data/2.png dog', 'data/3.jpg ']);
    await write(file({ 1: 2 }));
    expect((await refused()).message).toContain('a picture has the label 2, and its list has 2 classes');
  });
});

describe('programs whose exports are refused', () => {
  it.each([
    ['ds/ann/1.jpg.json', '{"tags":[{"name":"cat"}]}', 'ds/img/1.jpg', 'annotations of Supervisely'],
    ['samples.json', '{"samples":[{"filepath":"data/1.jpg"}]}', 'data/1.jpg', "FiftyOne's own format"],
    ['a.ndjson', '{"data_row":{"id":"1"},"projects":{}}', '1.jpg', 'an export of Labelbox'],
    ['labels.json', '{"1.jpg":"cat"}', 'images/1.jpg', 'a list of pictures in JSON'],
    ['a.json', '[{"image":"images/1.jpg","label":"cat"}]', 'images/1.jpg', 'a list of pictures in JSON'],
    ['annotations/train-imagelabels.csv', 'ImageID\n1\n', 'images/1.jpg', "Open Images' labels of pictures"],
    ['train.lst', '0\t1.0\tp/1.jpg', 'p/1.jpg', 'a list of pictures of MXNet or Amazon SageMaker'],
  ])('%s is named', async (name, content, picture, what) => {
    await write(picture, [name, content]);
    expect(await refused()).toEqual(failure('foreign'));
    expect((await refused()).message).toContain(what);
  });
});

describe('labelme', () => {
  const file = (name: string, imagePath: string, labels: string[], flags = {}) =>
    json(name, {
      version: '5.2.1',
      flags,
      shapes: labels.map((label) => ({ label, points: [[1, 2]] })),
      imagePath,
      imageData: null,
    });

  it('takes the class from shapes, or from flags of the whole picture', async () => {
    await write('images/1.jpg', 'images/2.jpg', file('labels/1.json', '..\\images\\1.jpg', ['cat', 'cat']));
    await write(file('labels/2.json', '../images/2.jpg', [], { cat: false, dog: true }));
    expect(await read()).toEqual(['images/1.jpg cat', 'images/2.jpg dog']);
    await write(file('labels/2.json', '../images/2.jpg', ['dog', 'cat']));
    expect(await refused()).toEqual(failure('several-labels'));
  });
});

describe('Label Studio', () => {
  const task = (image: string, ...choices: string[]) => ({
    id: 1,
    data: { image },
    annotations: [
      { was_cancelled: true, result: [{ type: 'choices', value: { choices: ['wrong'] } }] },
      { was_cancelled: false, result: [{ type: 'choices', from_name: 'choice', value: { choices } }] },
    ],
  });

  it('JSON', async () => {
    await write('upload/a-1.jpg', 'upload/b c.jpg');
    await write(
      json('project.json', [task('/data/upload/7/a-1.jpg', 'cat'), task('/data/upload/7/b%20c.jpg', 'dog')]),
    );
    expect(await read()).toEqual(['upload/a-1.jpg cat', 'upload/b c.jpg dog']);
    expect(await read('project.json')).toEqual(['upload/a-1.jpg cat', 'upload/b c.jpg dog']);
    await write(
      json('project.json', [
        task('/data/local-files/?d=upload/a-1.jpg', 'cat'),
        task('s3://b/upload/b%20c.jpg', 'dog'),
      ]),
    );
    expect(await read()).toEqual(['upload/a-1.jpg cat', 'upload/b c.jpg dog']);
    await write(json('project.json', [task('/data/upload/7/a-1.jpg', 'cat', 'dog')]));
    expect(await refused()).toEqual(failure('several-labels'));
  });

  it('is read from JSON-MIN and CSV, also if both are there', async () => {
    await write('upload/1.jpg', 'upload/2.jpg');
    const item = (image: string, animal: unknown) => ({
      image,
      id: 1,
      animal,
      annotator: 1,
      annotation_id: 3,
      lead_time: 1.5,
    });
    await write([
      'project.csv',
      'image,id,animal,annotator,annotation_id\n/data/upload/1/1.jpg,1,cat,1,1\n/data/upload/1/2.jpg,2,dog,1,2\n',
    ]);
    expect(await read()).toEqual(['upload/1.jpg cat', 'upload/2.jpg dog']);
    expect(await read('project.csv')).toEqual(['upload/1.jpg cat', 'upload/2.jpg dog']);
    await write(
      json('min.json', [
        item('/data/upload/1/1.jpg', 'cat'),
        item('/data/upload/1/2.jpg', [{ x: 1, rectanglelabels: ['owl'] }]),
      ]),
    );
    expect(await read()).toEqual(['upload/1.jpg cat', 'upload/2.jpg owl']);
    await write(json('min.json', [item('/data/upload/1/1.jpg', { choices: ['cat', 'dog'] })]));
    expect(await refused()).toEqual(failure('several-labels'));
  });
});

describe('_classes.csv of Roboflow', () => {
  it('is read from the folders of the splits', async () => {
    await write('train/1.jpg', 'train/2.jpg', 'valid/1.jpg');
    await write(['train/_classes.csv', 'filename, cat, dog\n1.jpg, 1, 0\n2.jpg, 0, 1\n']);
    await write(['valid/_classes.csv', 'filename, cat, dog\n1.jpg, 1, 0\n']);
    expect(await read()).toEqual(['train/1.jpg cat train', 'train/2.jpg dog train', 'valid/1.jpg cat val']);
    await write(['valid/_classes.csv', 'filename, cat, dog\n1.jpg, 1, 1\n']);
    const error = await refused();
    expect(error).toEqual(failure('several-labels'));
    expect(error.message).toContain('1 row of 1 with a 1 in several of');
  });
});
