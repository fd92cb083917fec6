import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { finding, labelled, ownFolder, warnings } from './folder.fixture.ts';
import { hubStore, pinnedHubData } from './hub-data.ts';
import { type ReadOptions, readDataset } from './read.ts';

const own = ownFolder();

/** A Parquet file of pictures with names of classes, as `datasets` writes it. */
function shard(labels: number[], names = ['cat', 'dog']): Uint8Array {
  const info = { features: { label: { names, _type: 'ClassLabel' } } };
  const columnData = [
    {
      name: 'image',
      data: labels.map((label) => new TextEncoder().encode(`p${label}`)),
      type: 'BYTE_ARRAY' as const,
    },
    { name: 'label', data: labels.map(BigInt), type: 'INT64' as const },
  ];
  const kvMetadata = [{ key: 'huggingface', value: JSON.stringify({ info }) }];
  return new Uint8Array(parquetWriteBuffer({ columnData, kvMetadata }));
}

const card = `---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/heldout-*
- config_name: small
  data_files:
  - split: train
    path: small/*.parquet
---
`;

let hub: FakeHub;
beforeEach(async () => {
  hub = await startFakeHub({
    'datasets/zoo/pets': {
      files: {
        'README.md': card,
        'data/train-00000-of-00002.parquet': shard([0, 1, 0]),
        'data/train-00001-of-00002.parquet': shard([1, 1, 1]),
        'data/heldout-00000-of-00001.parquet': shard([0, 1]),
        'small/a.parquet': shard([1, 0]),
      },
    },
    'datasets/zoo/old': {
      files: { 'README.md': '# Old', 'data.zip': 'zip' },
      branches: {
        'refs/convert/parquet': {
          files: {
            'plain/train/0000.parquet': shard([0, 1]),
            'plain/test/0000.parquet': shard([1]),
            'grey/partial-train/0000.parquet': shard([0]),
          },
        },
      },
    },
    'datasets/zoo/texts': { files: { 'a.txt': 'text' } },
  });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('TIP_ADAPTER_HOME', own.root);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

const read = async (source: string, options: ReadOptions = {}) =>
  labelled(await readDataset(source, options));
const downloads = () =>
  hub.requests.filter(({ path }) => path.includes('/resolve/') && path.endsWith('.parquet')).length;

describe('a data set on the hub', () => {
  it('is read through its Parquet files, by the splits of its card, and its size is printed first', async () => {
    const lines: string[] = [];
    const options = {
      note: (line: string) => {
        expect(downloads()).toBe(0);
        lines.push(line);
      },
    };
    const expected = [
      'train/train-00000-of-00002.parquet/0 cat train',
      'train/train-00000-of-00002.parquet/1 dog train',
      'train/train-00000-of-00002.parquet/2 cat train',
      'train/train-00001-of-00002.parquet/0 dog train',
      'train/train-00001-of-00002.parquet/1 dog train',
      'train/train-00001-of-00002.parquet/2 dog train',
      'test/heldout-00000-of-00001.parquet/0 cat test',
      'test/heldout-00000-of-00001.parquet/1 dog test',
    ];
    expect(await read('hf:datasets/zoo/pets', options)).toEqual(expected);
    expect(lines).toEqual([
      expect.stringMatching(/^hf:datasets\/zoo\/pets at [0-9a-f]{7}: 3 Parquet files, 1 MB$/),
    ]);
    await hub.close();
    const dataset = await readDataset('hf:datasets/zoo/pets');
    expect(labelled(dataset)).toEqual(expected);
    expect(dataset).toMatchObject({
      name: 'pets',
      root: expect.stringMatching(/^hf:datasets\/zoo\/pets@[0-9a-f]{40}$/),
    });
    expect(Buffer.from(await dataset.examples[1]!.read()).toString()).toBe('p1');
  });

  it('can be read in part: a configuration, a split, a revision', async () => {
    expect(await read('hf:datasets/zoo/pets#small')).toHaveLength(2);
    expect(await read('hf:datasets/zoo/pets@main#default/test')).toHaveLength(2);
    expect(downloads()).toBe(2);
    await expect(read('hf:datasets/zoo/pets#large')).rejects.toMatchObject({
      code: 'dataset/hub-part',
      message: 'hf:datasets/zoo/pets#large has no configuration "large": it has "default", "small"',
    });
    await expect(read('hf:datasets/zoo/pets#/val')).rejects.toMatchObject({
      message: expect.stringContaining('no split "val": it has "train", "test"'),
      hint: expect.stringContaining('hf:datasets/zoo/pets#default/train'),
    });
    await expect(read('hf:datasets/zoo/pets@gone')).rejects.toMatchObject({ code: 'network/not-found' });
  });

  it("is read in the hub's own conversion if it has no Parquet file", async () => {
    expect(await read('hf:datasets/zoo/old#plain')).toEqual([
      'train/0000.parquet/0 cat train',
      'train/0000.parquet/1 dog train',
      'test/0000.parquet/0 dog test',
    ]);
    expect(await read('hf:datasets/zoo/old#grey')).toEqual(['train/0000.parquet/0 cat train']);
    await expect(read('hf:datasets/zoo/old')).rejects.toMatchObject({
      message: expect.stringContaining('several configurations: it has "plain", "grey"'),
    });
    await expect(read('hf:datasets/zoo/old@main')).rejects.toMatchObject({ code: 'dataset/hub-no-parquet' });
    await expect(read('hf:datasets/zoo/texts')).rejects.toMatchObject({ code: 'dataset/hub-no-parquet' });
  });

  it('is read with a limit evenly from the classes, from no more files than needed, and with a warning', async () => {
    const dataset = await readDataset('hf:datasets/zoo/pets', { limit: 2 });
    expect(labelled(dataset)).toEqual([
      'train/train-00000-of-00002.parquet/0 cat train',
      'train/train-00000-of-00002.parquet/1 dog train',
      'test/heldout-00000-of-00001.parquet/0 cat test',
      'test/heldout-00000-of-00001.parquet/1 dog test',
    ]);
    expect(downloads()).toBe(2);
    expect(warnings(dataset)).toEqual(['limit', 'limit']);
    expect(
      dataset.findings.filter(({ code }) => code === 'dataset/limit').map(({ message }) => message),
    ).toEqual([
      'Only 2 of 3 pictures of train are read, because of the limit.',
      'train: 1 of 2 Parquet files are downloaded, because they hold enough rows for the limit of 2.',
    ]);
    expect(finding(await readDataset('hf:datasets/zoo/pets'), 'limit')).toBeUndefined();
  });

  it('continues an interrupted download', async () => {
    hub.fail({ match: /heldout.*parquet$/, status: 404 });
    await expect(read('hf:datasets/zoo/pets')).rejects.toMatchObject({ code: 'network/not-found' });
    const before = downloads();
    expect(await read('hf:datasets/zoo/pets')).toHaveLength(8);
    expect(downloads() - before).toBe(1);
  });

  it('keeps its commit when main moves, also without a card and before a file is downloaded', async () => {
    const source = 'hf:datasets/zoo/plain';
    const moveTo = (labels: number[]) => {
      const old = hub.repos['datasets/zoo/plain'];
      hub.repos['datasets/zoo/plain'] = {
        files: { 'train.parquet': shard(labels) },
        ...(old && { branches: { old } }),
      };
    };
    moveTo([0]);
    const { address } = await hubStore(source);
    moveTo([1]);
    expect(await pinnedHubData(source)).toBe(address);
    expect(await read(source)).toEqual(['train/train.parquet/0 cat train']);
  });

  it('is refused in another form', async () => {
    for (const source of ['hf:zoo/pets', 'hf:datasets/', 'hf:datasets/a/b/c', 'hf:datasets/a/b@../x'])
      await expect(read(source)).rejects.toMatchObject({ code: 'source/malformed', exitCode: 2 });
    expect(await readdir(join(own.root))).toEqual([]);
  });
});
