import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

const COLOURS = ['#d02020', '#2040d0'];

describe('how data are read, as options of the commands', () => {
  let root: string;
  let hub: FakeHub;
  const at = (...parts: string[]) => join(root, ...parts);
  const run = async (...argv: string[]) => {
    const io = recordingIo({ lines: [] });
    const status = await runCli(argv, io);
    return { status, out: io.out(), err: io.err() };
  };
  const picture = async (i: number) =>
    new Uint8Array(
      await sharp({ create: { width: 20 + i, height: 20, channels: 3, background: COLOURS[i % 2]! } })
        .png()
        .toBuffer(),
    );

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'reading-'));
    const pictures = await Promise.all(Array.from({ length: 8 }, (_, i) => picture(i)));
    const shard = (own: number[]) =>
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'image', data: own.map((i) => pictures[i]!), type: 'BYTE_ARRAY' },
            { name: 'colour', data: own.map((i) => ['red', 'blue'][i % 2]!), type: 'STRING' },
          ],
        }),
      );
    hub = await startFakeHub({
      'datasets/zoo/colours': {
        files: {
          'data/train-0.parquet': shard([0, 1, 2, 3]),
          'data/train-1.parquet': shard([4, 5]),
          'data/test-0.parquet': shard([6, 7]),
        },
      },
    });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    vi.stubEnv('TIP_ADAPTER_HOME', at('home'));
    await writeSmallEncoder(at('encoder'));
    await mkdir(at('photos'));
    for (const [i, bytes] of pictures.entries()) await writeFile(at('photos', `${i}.png`), bytes);
    const boxes = pictures.map((_, i) => ({ image_id: i, category_id: i % 2, bbox: [2, 2, 9, 9] }));
    await writeFile(
      at('photos', 'annotations.json'),
      JSON.stringify({
        images: boxes.map((_, id) => ({ id, file_name: `${id}.png` })),
        annotations: boxes,
        categories: [
          { id: 0, name: 'red' },
          { id: 1, name: 'blue' },
        ],
      }),
    );
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await hub.close();
    await rm(root, { recursive: true });
  });

  it('a data set on the hub, with named columns: data show, fit, eval, predict, bench', async () => {
    const source = 'hf:datasets/zoo/colours';
    const columns = ['--columns', 'label=colour'];
    const shown = await run('data', 'show', source, ...columns, '--limit', '2');
    expect(shown).toMatchObject({
      status: 0,
      out: expect.stringContaining('2 classes, 4 pictures (2 train, 2 test)'),
    });
    expect(shown.err).toMatch(/hf:datasets\/zoo\/colours at \w{7}: at most 3 Parquet files, 1 MB/);
    expect(shown.err).toContain('Only 2 of 4 pictures of train are read');
    const model = at('m.safetensors');
    const fitted = await run('fit', source, ...columns, '-o', model, '--encoder', at('encoder'));
    expect(fitted).toMatchObject({ status: 0, out: expect.stringContaining('2 classes, 6 examples') });
    const measured = await run('eval', model, source, ...columns);
    expect(measured).toMatchObject({ status: 0, out: expect.stringContaining('of 2 pictures') });
    const predicted = await run('predict', model, `${source}#/test`, '--csv');
    expect(predicted.out.split('\n')[1]).toMatch(/^test\/test-0\.parquet\/0,red,red,/);
    const bench = ['bench', source, ...columns, '-o', at('bench'), '--encoders', at('encoder')];
    const compared = await run(...bench, '--methods', 'prototype', '--shots', '1', '--seeds', '1');
    expect(compared).toMatchObject({ status: 0, out: expect.stringContaining('prototype') });
    expect((await run('fit', source, '-o', model)).err).toContain(
      'no column "label" (it has "image", "colour")',
    );
  });

  it('boxes as examples', async () => {
    const crop = ['--crop', 'boxes', '--margin', '10'];
    const model = at('boxes.safetensors');
    const fitted = await run('fit', at('photos'), ...crop, '-o', model, '--encoder', at('encoder'));
    expect(fitted).toMatchObject({ status: 0, out: expect.stringContaining('2 classes, 8 examples') });
    expect(fitted.err).toContain('read from the boxes of COCO annotations');
  });

  it('are refused where they have no effect', async () => {
    const margin = await run('data', 'show', at('photos'), '--margin', '10');
    expect(margin).toMatchObject({
      status: 2,
      err: expect.stringContaining('Option --margin has no effect'),
    });
    const columns = await run('data', 'show', at('photos'), '--columns', 'label');
    expect(columns).toMatchObject({ status: 2, err: expect.stringContaining('path=filename') });
    const label = await run('add', at('m.safetensors'), at('photos'), '--label', 'red', '--crop', 'boxes');
    expect(label).toMatchObject({
      status: 2,
      err: expect.stringContaining('--crop has no effect with --label'),
    });
  });
});
