import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { failure, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const read = async (path = '') => labelled(await readDataset(join(own.root, path)));
const picture = (text: string) => new TextEncoder().encode(text);

/** A file as `datasets` pushes it to the Hub, in row groups of two. */
function hubFile(texts: string[], labels: number[], names = ['cat', 'dog']): Uint8Array {
  const info = { features: { image: { _type: 'Image' }, label: { names, _type: 'ClassLabel' } } };
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [
        { name: 'root', num_children: 2 },
        { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
        { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
      ],
      columnData: [
        { name: 'image', data: texts.map((text) => ({ bytes: picture(text), path: 'x.jpg' })) },
        { name: 'label', data: labels.map(BigInt) },
      ],
      rowGroupSize: 2,
      kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info }) }],
    }),
  );
}

describe('Parquet', () => {
  it("is read from the Hub's files by split, with the names of classes", async () => {
    await own.write(['data/train-00000-of-00002.parquet', hubFile(['a', 'b', 'c'], [0, 1, 1])]);
    await own.write(['data/train-00001-of-00002.parquet', hubFile(['d'], [0])]);
    await own.write(['data/test-00000-of-00001.parquet', hubFile(['\u00ff', 'f'], [-1, 0])]);
    const dataset = await readDataset(own.root);
    expect(labelled(dataset)).toEqual([
      'data/test-00000-of-00001.parquet/0  test',
      'data/test-00000-of-00001.parquet/1 cat test',
      'data/train-00000-of-00002.parquet/0 cat train',
      'data/train-00000-of-00002.parquet/1 dog train',
      'data/train-00000-of-00002.parquet/2 dog train',
      'data/train-00001-of-00002.parquet/0 cat train',
    ]);
    expect(warnings(dataset)).toEqual(['unlabelled']);
    const bytes = await Promise.all(dataset.examples.map((example) => example.read()));
    expect(bytes.map((one) => new TextDecoder().decode(one))).toEqual(['\u00ff', 'f', 'a', 'b', 'c', 'd']);
    expect(await read('data/train-00001-of-00002.parquet')).toEqual([
      'train-00001-of-00002.parquet/0 cat train',
    ]);
  });

  it('is read from a table with path and label', async () => {
    const table = parquetWriteBuffer({
      columnData: [
        { name: 'path', data: ['images/1.jpg', 'images/2.jpg', 'images/3.jpg'], type: 'STRING' },
        { name: 'label', data: ['cat', 'dog', 'dog'], type: 'STRING' },
      ],
    });
    await own.write('images/1.jpg', 'images/2.jpg', ['list.parquet', new Uint8Array(table)]);
    expect(await read()).toEqual(['images/1.jpg cat', 'images/2.jpg dog']);
    expect(await read('list.parquet')).toEqual(['images/1.jpg cat', 'images/2.jpg dog']);
  });

  it('is refused if a label has no class or a file is damaged', async () => {
    await own.write(['a.parquet', hubFile(['a', 'b'], [0, 2])]);
    await expect(read('a.parquet')).rejects.toEqual(failure('parquet'));
    const bytes = await readFile(join(own.root, 'a.parquet'));
    for (const part of [Buffer.alloc(0), Buffer.from('PAR1'), bytes.subarray(0, -9), bytes.subarray(99)]) {
      await own.write(['b.parquet', part]);
      await expect(read('b.parquet')).rejects.toEqual(failure('parquet'));
    }
  });
});

const python = process.env.PYTHON ?? 'python3';
const writes = spawnSync(python, ['-c', 'import pyarrow.parquet']).status === 0;

/** Writes splits as `datasets` does, in each compression, and a table of paths as pandas does. */
const PROGRAM = `
import json, sys
import pyarrow as pa, pyarrow.parquet as pq
image = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
features = {'image': {'_type': 'Image'}, 'label': {'names': ['cat', 'dog'], '_type': 'ClassLabel'}}
schema = pa.schema([('image', image), ('label', pa.int64())], {'huggingface': json.dumps({'info': {'features': features}})})
for split, compression in [('train', 'snappy'), ('validation', 'zstd'), ('test', 'gzip')]:
    rows = [{'image': {'bytes': (split + str(i)).encode() + b'\\xff', 'path': None}, 'label': i % 2} for i in range(5)]
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, f'{sys.argv[1]}/hub/{split}-00000-of-00001.parquet', compression=compression, row_group_size=2)
table = pa.table({'path': ['1.jpg', '2.jpg'], 'label': pa.array(['cat', 'dog']).dictionary_encode()})
pq.write_table(table, f'{sys.argv[1]}/paths/list.parquet', compression='brotli', version='2.6', data_page_version='2.0')
`;

describe.skipIf(!writes)('Parquet of pyarrow (skipped if python3 cannot import pyarrow)', () => {
  it('is read in each compression, with the names of classes and the bytes of pictures', async () => {
    await mkdir(join(own.root, 'hub'));
    await own.write('paths/1.jpg', 'paths/2.jpg');
    execFileSync(python, ['-c', PROGRAM, own.root]);
    const dataset = await readDataset(join(own.root, 'hub'));
    expect(labelled(dataset)).toHaveLength(15);
    for (const example of dataset.examples) {
      const { split, label } = example;
      const text = Buffer.from(await example.read()).toString('latin1');
      expect(text).toMatch(new RegExp(`^${split === 'val' ? 'validation' : split}[0-4]\u00ff$`));
      expect(label).toBe(Number(text.at(-2)) % 2);
    }
    expect(await read('paths')).toEqual(['1.jpg cat', '2.jpg dog']);
  });
});
