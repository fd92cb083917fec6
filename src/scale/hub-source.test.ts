import { readdir, readFile } from 'node:fs/promises';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { fakeEncoder, picture, workspace } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { registerEncoder } from '../encoder/registered.ts';
import { commitOf, type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { embed, openEmbed } from './embed.ts';
import { localQueue } from './local-queue.ts';
import { openWork } from './open-work.ts';
import { withOwnWorker } from './own-worker.fixture.ts';
import { openPredict } from './predict-work.ts';
import { REDIS_SKIP, redisProgram } from './redis-server.fixture.ts';
import { runWork } from './run-work.ts';
import { openPictures } from './store-source.ts';
import type { WorkDescription } from './work.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

const at = workspace();
const encoder = fakeEncoder();
const [SOURCE, TOKEN] = ['hf:datasets/zoo/pets', 'hf_a-secret-token'];
let hub: FakeHub;
/** The hub's data set when the runs begin, and its `main` afterwards. */
let first: Record<string, Uint8Array | string>;
let second: typeof first;

/** Two files of a split have the same name. */
const CARD = `---
configs:
- config_name: default
  data_files:
  - split: train
    path: "*/train.parquet"
  - split: test
    path: test.parquet
---
`;

/** A Parquet file of labelled pictures. */
async function shard(numbers: readonly number[]): Promise<Uint8Array> {
  const kinds = ['cat', 'dog'];
  const all = numbers.flatMap((number) => kinds.map((kind) => ({ kind, number })));
  const data = await Promise.all(all.map(async ({ kind, number }) => picture(kind, number)));
  const info = { features: { label: { names: kinds, _type: 'ClassLabel' } } };
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'image', data, type: 'BYTE_ARRAY' },
        { name: 'label', data: all.map(({ kind }) => BigInt(kinds.indexOf(kind))), type: 'INT64' },
      ],
      kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info }) }],
    }),
  );
}

beforeAll(async () => {
  registerEncoder(encoder);
  const [train, more, test] = await Promise.all([shard([0, 1]), shard([2]), shard([3])]);
  first = { 'README.md': CARD, 'a/train.parquet': train, 'b/train.parquet': more, 'test.parquet': test };
  second = { ...first, 'a/train.parquet': await shard([7, 8]) };
});

/** Starts the hub, on which `main` moves when `move` is called. */
async function startHub(): Promise<{ commit: string; move(): void }> {
  const old = { files: first };
  hub = await startFakeHub({ 'datasets/zoo/pets': { ...old, token: TOKEN } });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', TOKEN);
  const move = () => {
    hub.repos['datasets/zoo/pets'] = { files: second, branches: { old }, token: TOKEN };
  };
  return { commit: commitOf(old), move };
}
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

/** Has the environment of another machine. */
const onMachine = (name: string) => vi.stubEnv('TIP_ADAPTER_HOME', at(name));
const downloads = () =>
  hub.requests.filter(({ server, path }) => server === 'hub' && path.includes('/resolve/')).length;

/** Does the first shard of a description as a worker on a machine of its own does. Returns the name of the result. */
async function doFirst(description: WorkDescription, machine: string): Promise<string> {
  onMachine(machine);
  const work = await openWork(JSON.parse(JSON.stringify(description)));
  for await (const shard of work.shards()) {
    await work.run(shard);
    await work.close();
    return work.resultKey(shard);
  }
  throw new Error('There is no shard');
}

it('a data set on the hub is embedded by workers at the commit of the producer, with classes or without', async () => {
  const { commit, move } = await startHub();
  for (const [name, unlabelled, files] of [
    ['labelled', false, 4],
    ['unlabelled', true, 2],
  ] as const) {
    onMachine(`${name}-producer`);
    const options = { encoder: 'fake', format: 'parquet', unlabelled } as const;
    const { work } = await openEmbed(SOURCE, { ...options, output: at(name) });
    expect(work.description).toMatchObject({ source: `${SOURCE}@${commit}` });
    expect(JSON.stringify(work.description)).not.toContain(TOKEN);
    await work.begin();
    const keys: string[] = [];
    for await (const shard of work.shards()) keys.push(work.resultKey(shard));
    expect(keys).toHaveLength(unlabelled ? 3 : 1);
    move();
    const before = downloads();
    expect(await doFirst(work.description, `${name}-worker`)).toBe(keys[0]);
    // Without classes, only the card and the file of the shard are downloaded.
    expect(downloads() - before).toBe(files);
    onMachine(`${name}-producer`);
    const asked = encoder.asked.images;
    expect(await runWork(work, localQueue)).toMatchObject({ pictures: 8, failures: 0 });
    await work.close();
    expect(encoder.asked.images - asked).toBe(unlabelled ? 6 : 0);
    // The first machine keeps its commit, and finds its result finished without the network.
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1');
    expect(await embed(SOURCE, { ...options, output: at(name) })).toMatchObject({ before: true });
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    onMachine(`${name}-other`);
    const other = embed(SOURCE, { ...options, output: at(name) });
    await expect(other).rejects.toMatchObject({ code: 'output/other-features' });
    hub.repos['datasets/zoo/pets'] = { files: first, token: TOKEN };
  }
});

it.skipIf(!redisProgram)(`a data set on the hub is answered by workers${REDIS_SKIP}`, async () => {
  onMachine('answers');
  const model = at('m.safetensors');
  await using classifier = await fit(SOURCE, { encoder, thumbnails: false, method: 'prototype' });
  await classifier.save(model);
  const source = await openPictures(SOURCE);
  const settings = (output: string) => ({
    ...{ classifier: { path: model, place: model }, source, output },
    description: { source: source.address, output, reading: {} },
  });
  const contents = async (folder: string) =>
    Promise.all(
      (await readdir(at(folder), { recursive: true }))
        .filter((name) => /\.\w+$/.test(name))
        .map(async (name) => [name, (await readFile(at(folder, name))).toString('base64')]),
    );
  const alone = await openPredict(settings(at('alone')));
  await runWork(alone.work, localQueue);
  await withOwnWorker(async (queue, worker) => {
    const queued = await openPredict(settings(at('queued')));
    expect(await runWork(queued.work, queue)).toMatchObject({ pictures: 8, failures: 0, shards: 3 });
    expect(worker.counts).toMatchObject({ shards: 3, pictures: 8 });
  });
  expect(await contents('queued')).toEqual(await contents('alone'));
});
