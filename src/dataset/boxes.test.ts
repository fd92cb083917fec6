import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../image/decode.ts';
import { type Content, failure, finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const { write } = own;
const json = (name: string, value: unknown): Content => [name, JSON.stringify(value)];

/** 40 x 20 pixels: red on the left, blue on the right. */
let picture: Uint8Array;
beforeAll(async () => {
  const half = { create: { width: 20, height: 20, channels: 3 as const, background: '#00f' } };
  const blue = await sharp(half).png().toBuffer();
  picture = await sharp({ create: { ...half.create, width: 40, background: '#f00' } })
    .composite([{ input: blue, left: 20, top: 0 }])
    .png()
    .toBuffer();
});

/** Each example's id, class and group, with the size and the mean colour of its picture. */
async function cut(options: { margin?: number } = {}) {
  const dataset = await readDataset(own.root, { crop: 'boxes', ...options });
  return Promise.all(
    dataset.examples.map(async ({ id, label, group, read }) => {
      const { width, height, data } = await decode(await read());
      const share = [0, 2].map((c) => {
        let sum = 0;
        for (let i = c; i < data.length; i += 3) sum += data[i]!;
        return Math.round((3 * sum) / data.length / 25.5) / 10;
      });
      return `${id} ${dataset.classes[label]?.id} (${group}) ${width}x${height} ${share.join(' ')}`;
    }),
  );
}

/** A red cat from (2, 4) of 10 x 6 pixels, and a blue dog from (25, 5) of 10 x 10. */
const LAYOUTS: Record<string, Content[]> = {
  coco: [
    json('annotations.json', {
      images: [{ id: 1, file_name: '1.png', width: 40, height: 20 }],
      annotations: [
        { id: 1, image_id: 1, category_id: 1, bbox: [2, 4, 10, 6] },
        { id: 2, image_id: 1, category_id: 2, bbox: [25, 5, 10, 10] },
      ],
      categories: [
        { id: 1, name: 'cat' },
        { id: 2, name: 'dog' },
      ],
    }),
  ],
  'Create ML': [
    json('_annotations.createml.json', [
      {
        image: '1.png',
        annotations: [
          { label: 'cat', coordinates: { x: 7, y: 7, width: 10, height: 6 } },
          { label: 'dog', coordinates: { x: 30, y: 10, width: 10, height: 10 } },
        ],
      },
    ]),
  ],
  'a table of VIA': [
    [
      'via.csv',
      `filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
1.png,9,"{}",2,0,"{""name"":""rect"",""x"":2,""y"":4,""width"":10,""height"":6}","{""type"":""cat""}"
1.png,9,"{}",2,1,"{""name"":""circle"",""cx"":30,""cy"":10,""r"":5}","{""type"":""dog""}"
`,
    ],
  ],
  'a table of sides (TensorFlow)': [
    [
      'train_labels.csv',
      'filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,40,20,cat,2,4,12,10\n1.png,40,20,dog,25,5,35,15\n',
    ],
  ],
  'a table of shares (Open Images)': [
    [
      'train-annotations-bbox.csv',
      'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded\n1,x,cat,1,0.05,0.3,0.2,0.5,0\n1,x,dog,1,0.625,0.875,0.25,0.75,1\n',
    ],
  ],
  'a table of one column (Kaggle)': [
    [
      'train.csv',
      'image_id,width,height,bbox,source\n1,40,20,"[2.0, 4.0, 10.0, 6.0]",cat\n1,40,20,"[25, 5, 10, 10]",dog\n'.replace(
        'source',
        'label',
      ),
    ],
  ],
  'a table of numbered corners': [
    ['train.csv', 'image,box_x0,box_y0,box_x1,box_y1,class\n1.png,2,4,12,10,cat\n1.png,25,5,35,15,dog\n'],
  ],
  'a table of corners and sizes (Make Sense)': [
    [
      'labels.csv',
      'label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\ncat,2,4,10,6,1.png,40,20\ndog,25,5,10,10,1.png,40,20\n',
    ],
  ],
  datumaro: [
    json('annotations/default.json', {
      info: {},
      categories: { label: { labels: ['cat', 'dog'].map((name) => ({ name, parent: '', attributes: [] })) } },
      items: [
        {
          id: 'images/1',
          annotations: [
            { id: 0, type: 'bbox', attributes: {}, group: 0, label_id: 0, z_order: 0, bbox: [2, 4, 10, 6] },
            { id: 1, type: 'bbox', attributes: {}, group: 0, label_id: 1, z_order: 0, bbox: [25, 5, 10, 10] },
          ],
          attr: {},
          image: { path: 'images/1.png', size: [20, 40] },
        },
      ],
    }),
  ],
  'a table without a header (keras-retinanet)': [
    ['annotations.csv', 'images/1.png,2,4,12,10,cat\nimages/1.png,25,5,35,15,dog\n'],
  ],
  'a table without a header (Vertex AI)': [
    [
      'import.csv',
      'TRAIN,gs://bucket/images/1.png,cat,0.05,0.2,,,0.3,0.5,,\nUNASSIGNED,gs://bucket/images/1.png,dog,0.625,0.25,,,0.875,0.75,,\n',
    ],
  ],
  voc: [
    [
      'images/1.xml',
      `<annotation><filename>1.png</filename><size><width>40</width><height>20</height></size>
      <object><name>cat</name><bndbox><xmin>3</xmin><ymin>5</ymin><xmax>12</xmax><ymax>10</ymax></bndbox></object>
      <object><name>dog</name><bndbox><xmin>26</xmin><ymin>6</ymin><xmax>35</xmax><ymax>15</ymax></bndbox></object>
      </annotation>`,
    ],
  ],
  cvat: [
    [
      'annotations.xml',
      `<annotations><image id="0" name="1.png" width="40" height="20">
      <box label="cat" xtl="2" ytl="4" xbr="12" ybr="10"/><polygon label="dog" points="25,5;35,5;30,15"/>
      </image></annotations>`,
    ],
  ],
  labelme: [
    json('images/1.json', {
      imagePath: '1.png',
      imageWidth: 40,
      imageHeight: 20,
      shapes: [
        {
          label: 'cat',
          shape_type: 'rectangle',
          points: [
            [2, 4],
            [12, 10],
          ],
        },
        {
          label: 'dog',
          shape_type: 'circle',
          points: [
            [30, 10],
            [35, 10],
          ],
        },
      ],
    }),
  ],
  'label-studio': [
    json('project.json', [
      {
        data: { image: '/data/upload/1/1.png' },
        annotations: [
          {
            result: [
              { value: { x: 5, y: 20, width: 25, height: 30, rotation: 0, rectanglelabels: ['cat'] } },
              { value: { x: 75, y: 50, radiusX: 12.5, radiusY: 25, ellipselabels: ['dog'] } },
            ],
          },
        ],
      },
    ]),
  ],
  via: [
    json('images/via_region_data.json', {
      '1.png99': {
        filename: '1.png',
        size: 99,
        file_attributes: {},
        regions: [
          {
            shape_attributes: { name: 'rect', x: 2, y: 4, width: 10, height: 6 },
            region_attributes: { class: 'cat' },
          },
          {
            shape_attributes: { name: 'circle', cx: 30, cy: 10, r: 5 },
            region_attributes: { class: 'dog' },
          },
        ],
      },
    }),
  ],
  yolo: [
    ['labels/1.txt', '0 0.175 0.35 0.25 0.3\n1 0.75 0.5 0.25 0.5\n'],
    ['data.yaml', 'names: [cat, dog]\nnc: 2\n'],
  ],
};

describe('--crop boxes', () => {
  it.each(Object.keys(LAYOUTS))('%s: makes each box an example, grouped by its picture', async (layout) => {
    await write(['images/1.png', picture], ...LAYOUTS[layout]!);
    const examples = (await cut()).map((line) => line.replace(/\((.*\/)?1(\.png)?\)/, '(1)'));
    expect(examples).toEqual(['images/1.png#1 cat (1) 10x6 1 0', 'images/1.png#2 dog (1) 10x10 0 1']);
    await expect(readDataset(own.root)).rejects.toMatchObject({
      code: 'dataset/several-labels',
      message: expect.stringContaining('1 of 1 picture show several classes'),
      hint: expect.stringContaining('--crop boxes'),
    });
  });

  it('adds a margin in percent of the box, inside the picture', async () => {
    await write(['images/1.png', picture], ...LAYOUTS.coco!);
    expect(await cut({ margin: 50 })).toEqual([
      'images/1.png#1 cat (1.png) 17x12 1 0',
      'images/1.png#2 dog (1.png) 20x20 0 1',
    ]);
  });

  it('scales boxes if the picture was resized or turned by EXIF after it was annotated', async () => {
    const large = await sharp(picture).resize(80, 40, { kernel: 'nearest' }).png().toBuffer();
    await write(['images/1.png', large], ...LAYOUTS.coco!);
    expect((await cut())[0]).toBe('images/1.png#1 cat (1.png) 20x12 1 0');
    const turned = await sharp(picture).jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer();
    await write(['images/1.png', turned]);
    expect((await cut())[0]).toBe('images/1.png#1 cat (1.png) 10x6 1 0');
  });

  it('counts boxes without an area, and throws an error for a box outside of its picture', async () => {
    await write(['images/1.png', picture]);
    await write(
      ['labels/1.txt', '0 0.2 0.5 0.1 0.1\n1 0.5 0.5 0 0.1\n0 4.5 0.5 0.1 0.1\n'],
      ['classes.txt', 'cat\ndog\n'],
    );
    const dataset = await readDataset(own.root, { crop: 'boxes' });
    expect(labelled(dataset)).toEqual(['images/1.png#1 cat', 'images/1.png#3 cat']);
    expect(finding(dataset, 'no-box')?.paths).toEqual(['images/1.png#2']);
    await expect(dataset.examples[1]!.read()).rejects.toMatchObject({ code: 'image/region', exitCode: 3 });
  });

  it('is refused for a layout without boxes', async () => {
    await write('cat/1.jpg', 'dog/1.jpg');
    const options = { crop: 'boxes' as const };
    await expect(readDataset(own.root, options)).rejects.toMatchObject({ code: 'dataset/no-effect' });
    await expect(readDataset(own.root, { margin: 5 })).rejects.toMatchObject({ code: 'dataset/no-effect' });
  });
});

describe('YOLO', () => {
  it('is read as whole pictures of one class, by the splits of data.yaml or of the folders', async () => {
    await write('train/images/1.jpg', 'train/images/2.jpg', 'valid/images/3.jpg', 'test/images/4.jpg');
    await write(
      ['train/labels/1.txt', '1 0.5 0.5 0.1 0.1\r\n1 0.1 0.1 0.1 0.1\r\n'],
      ['train/labels/2.txt', ''],
    );
    await write(
      ['valid/labels/3.txt', '0 0.1 0.1 0.2 0.2 0.3 0.1'],
      ['test/labels/4.txt', '0 1 1 1 1\n7 1 1 1 1'],
    );
    await write(['test/labels/9.txt', '0 1 1 1 1']);
    await write([
      'data.yaml',
      'train: ../train/images\nval: ../valid/images\nnames:\n  0: cat\n  1: dog\n  2: cow\n',
    ]);
    const dataset = await readDataset(own.root);
    const expected = [
      'test/images/4.jpg cat test',
      'train/images/1.jpg dog train',
      'train/images/2.jpg  train',
      'valid/images/3.jpg cat val',
    ];
    expect(labelled(dataset)).toEqual(expected);
    expect(warnings(dataset)).toEqual(['unlabelled', 'stray-annotations', 'stray-annotations']);
    expect(finding(dataset, 'unused-categories')?.paths).toEqual(['cow']);
    expect(labelled(await readDataset(join(own.root, 'data.yaml')))).toEqual(expected);
  });

  it('is read from images/train with labels/train, and from lists of pictures', async () => {
    await write(
      'images/a/1.jpg',
      'images/a/2.jpg',
      ['train.txt', '/home/me/images/a/1.jpg'],
      ['val.txt', './images/a/2.jpg'],
    );
    await write(['labels/a/1.txt', '0 1 1 1 1'], ['labels/a/2.txt', '1 1 1 1 1']);
    await write(['coco.yaml', 'path: /home/me\ntrain: train.txt\nval: val.txt\nnames: [cat, dog]']);
    expect(labelled(await readDataset(own.root))).toEqual([
      'images/a/1.jpg cat train',
      'images/a/2.jpg dog val',
    ]);
  });

  it('is refused if no number of a label has a name', async () => {
    await write(
      ['images/1.png', picture],
      ['labels/1.txt', '2 0.5 0.5 0.1 0.1\n'],
      ['data.yaml', 'names: [cat, dog]'],
    );
    await expect(readDataset(own.root)).rejects.toThrow(
      'data.yaml cannot be read: it has 2 names, and no label has one of their numbers (the first is labels/1.txt:1)',
    );
  });

  it('is refused with the number of a damaged line', async () => {
    await write('images/1.jpg', 'images/2.jpg', ['labels/1.txt', '0 1 1 1 1\n0 1 1'], ['classes.txt', 'cat']);
    await expect(readDataset(own.root)).rejects.toMatchObject({
      ...failure('annotations').sample,
      message: 'labels/1.txt cannot be read: line 2 is not a number and a box',
    });
  });

  it("is read from Ultralytics' folders of classes", async () => {
    await write('train/cat/1.jpg', 'train/dog/1.jpg', 'val/cat/2.jpg', 'val/dog/2.jpg');
    expect(labelled(await readDataset(own.root))).toHaveLength(4);
  });
});
