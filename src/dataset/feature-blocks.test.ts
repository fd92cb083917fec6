import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { featuresTensor, labelsTensor, npy, npyLabels, rowsOf, safetensors } from '../bench/dump.fixture.ts';
import { UnitRows } from '../linalg/unit-rows.ts';
import { toHalf } from '../math/half.ts';
import { type Matrix, matrix, row } from '../math/matrix.ts';
import { openFeatureBlocks } from './feature-blocks.ts';
import { ownFolder } from './folder.fixture.ts';
import { bytesFor, type FeatureStream, unitBlock } from './row-blocks.ts';

const own = ownFolder();
const CLASSES = ['cat', 'dog', 'eel'];
const LABELS = [0, 2, 1, 1, 0, 2, 2, 0, 1, 0];
const rows = rowsOf(LABELS, 'blocks');
const INFO: [string, string] = ['info.json', JSON.stringify({ classes: CLASSES })];

/** A Parquet file, in groups of four rows. */
function parquet(
  given: Matrix,
  labels: readonly unknown[],
  {
    kind = 'half',
    split,
    name = 'label',
  }: { kind?: 'half' | 'float' | 'list'; split?: string[]; name?: string } = {},
): Buffer {
  const bytes = (i: number) => {
    const values = kind === 'half' ? toHalf(row(given, i)) : row(given, i).slice();
    return new Uint8Array(values.buffer);
  };
  const features = Array.from({ length: given.rows }, (_, i) =>
    kind === 'list' ? Array.from(row(given, i), (x) => (Number.isNaN(x) ? null : x)) : bytes(i),
  );
  const list = [
    { name: 'features', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' },
  ] as const;
  const width = given.cols * (kind === 'half' ? 2 : 4);
  const fixed = [
    { name: 'features', type: 'FIXED_LEN_BYTE_ARRAY', type_length: width, repetition_type: 'REQUIRED' },
  ] as const;
  const isName = typeof labels[0] === 'string';
  const label = isName
    ? { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }
    : { name, type: 'INT32', repetition_type: 'OPTIONAL' };
  const text = { name: 'split', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' };
  const columns = [...(kind === 'list' ? list : fixed), label, ...(split ? [text] : [])];
  return Buffer.from(
    parquetWriteBuffer({
      schema: [{ name: 'root', num_children: split ? 3 : 2 }, ...columns] as never,
      columnData: [
        { name: 'features', data: features },
        { name, data: [...labels] },
        ...(split ? [{ name: 'split', data: split }] : []),
      ],
      rowGroupSize: 4,
      kvMetadata: [{ key: 'dtype', value: kind === 'half' ? 'float16' : 'float32' }],
    }),
  );
}

const units = new UnitRows();

async function all({ parts }: FeatureStream) {
  const found: { labels: number[]; places: number[]; rows: number[] } = { labels: [], places: [], rows: [] };
  for (const part of parts) {
    for await (const stored of part.blocks()) {
      const block = unitBlock(stored, units);
      found.labels.push(...block.labels);
      found.places.push(...block.places);
      found.rows.push(...block.rows.data);
    }
  }
  return found;
}

describe('features in blocks', () => {
  it.each<[string, (readonly [string, Uint8Array])[]]>([
    [
      '.npy with .labels.npy',
      [
        ['train.npy', npy(rows)],
        ['train.labels.npy', npyLabels(LABELS)],
      ],
    ],
    [
      'safetensors',
      [
        [
          'train.safetensors',
          safetensors({ features: featuresTensor(rows), labels: labelsTensor([10], LABELS) }),
        ],
      ],
    ],
    ['Parquet of float16', [['part.parquet', parquet(rows, LABELS)]]],
    ['Parquet of float32', [['part.parquet', parquet(rows, LABELS, { kind: 'float' })]]],
    ['Parquet of lists', [['part.parquet', parquet(rows, LABELS, { kind: 'list' })]]],
    [
      'Parquet with names of classes',
      [
        [
          'part.parquet',
          parquet(
            rows,
            LABELS.map((c) => CLASSES[c]),
            { name: 'class' },
          ),
        ],
      ],
    ],
  ])('are the unit rows of %s', async (_, files) => {
    await own.write(INFO, ...files.map(([name, bytes]): [string, Uint8Array] => [name, bytes]));
    const stream = await openFeatureBlocks(own.root);
    expect([stream.rows, stream.dimension]).toEqual([10, 8]);
    const found = await all(stream);
    expect(found.labels).toEqual(LABELS);
    expect(found.places).toEqual([...LABELS.keys()]);
    found.rows.forEach((x, at) => {
      expect(Math.abs(x - rows.data[at]!)).toBeLessThan(1e-3);
    });
  });

  it('come from the rows of the split train, of several Parquet files, in the order of their names', async () => {
    const split = LABELS.map((_, i) => (i < 6 ? 'train' : 'test'));
    const half = matrix(5, 8, rows.data.slice(0, 40));
    await own.write(
      INFO,
      ['shards/a.parquet', parquet(rows, LABELS, { split })],
      ['shards/b-train.parquet', parquet(half, [0, 1, null, 2, 1])],
      ['test/c.parquet', parquet(rows, LABELS)],
    );
    const stream = await openFeatureBlocks(own.root);
    expect(stream.parts.map(({ name, first }) => [name, first])).toEqual([
      ['shards/a.parquet', 0],
      ['shards/b-train.parquet', 10],
    ]);
    expect(stream.rows).toBe(15);
    const { labels, places } = await all(stream);
    expect(labels).toEqual([...LABELS.slice(0, 6), 0, 1, 2, 1]);
    expect(places).toEqual([0, 1, 2, 3, 4, 5, 10, 11, 13, 14]);
  });

  it('are refused if some are of the split train and others of none', async () => {
    const split = LABELS.map((_, i) => (i < 6 ? 'train' : ''));
    await own.write(INFO, ['a.parquet', parquet(rows, LABELS, { split })]);
    const stream = await openFeatureBlocks(own.root);
    await expect(all(stream)).rejects.toMatchObject({ code: 'dump/splits' });
    const unlike = LABELS.map((_, i) => (i < 6 ? 'test' : ''));
    await own.write(['a.parquet', parquet(rows, LABELS, { split: unlike })]);
    expect((await all(await openFeatureBlocks(own.root))).labels).toEqual(LABELS.slice(6));
  });

  const changed = (at: number, value: number) => {
    const data = rows.data.slice();
    data.fill(value, at * 8, at * 8 + 8);
    return matrix(10, 8, data);
  };
  it.each<[string, [string, Uint8Array][], string, string]>([
    ['a row of zeros', [['train.npy', npy(changed(7, 0))]], 'dump/zero-row', 'row 7 is all zeros'],
    ['a NaN', [['train.npy', npy(changed(3, Number.NaN))]], 'dump/not-finite', 'row 3'],
    [
      'an unknown label',
      [['train.labels.npy', npyLabels([...LABELS.slice(1), 3])]],
      'dump/label',
      'row 9 has label 3',
    ],
    ['too few labels', [['train.labels.npy', npyLabels([0, 1])]], 'dump/labels', '10 rows and 2 labels'],
  ])('are refused for %s', async (_, files, code, message) => {
    await own.write(INFO, ['train.npy', npy(rows)], ['train.labels.npy', npyLabels(LABELS)], ...files);
    const read = async () => all(await openFeatureBlocks(own.root));
    await expect(read()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('are refused for an empty place in a list', async () => {
    await own.write(INFO, ['part.parquet', parquet(changed(7, Number.NaN), LABELS, { kind: 'list' })]);
    const read = async () => all(await openFeatureBlocks(own.root));
    await expect(read()).rejects.toMatchObject({ code: 'dataset/parquet' });
  });

  it('are refused where there are none, or two tables of examples', async () => {
    await own.write(INFO);
    await expect(openFeatureBlocks(own.root)).rejects.toMatchObject({ code: 'dump/no-support' });
    await own.write(['train.npy', npy(rows)], ['training.npy', npy(rows)]);
    await expect(openFeatureBlocks(own.root)).rejects.toMatchObject({ code: 'dump/two-tables' });
  });
});

describe('spare memory', () => {
  it('is used again for blocks of its size, and given up for those of another size', () => {
    const [first, second] = [new ArrayBuffer(8), new ArrayBuffer(8)];
    const spare = [first, second];
    expect(bytesFor(8, spare).buffer).toBe(first);
    expect(bytesFor(16, spare).byteLength).toBe(16);
    expect(spare).toEqual([]);
  });
});
