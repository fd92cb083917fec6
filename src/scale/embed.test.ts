import { appendFile, cp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Classifier } from '../classifier/classifier.ts';
import { fakeEncoder, workspace, writeFiles, writePictures } from '../classifier/fake-encoder.fixture.ts';
import { fit } from '../classifier/fit.ts';
import { diskFile } from '../dataset/disk-file.ts';
import { openFeatureBlocks } from '../dataset/feature-blocks.ts';
import { openParquet } from '../dataset/parquet-file.ts';
import { readDataset } from '../dataset/read.ts';
import { verified } from '../dataset/stored-sums.ts';
import type { Dataset, Example } from '../dataset/types.ts';
import { registerEncoder } from '../encoder/registered.ts';
import { InterruptedError } from '../errors.ts';
import { sha256 } from '../sha256.ts';
import { type EmbedOptions, embed, openEmbed, unlabelledData } from './embed.ts';
import { embedTexts } from './embed-texts.ts';
import { localQueue } from './local-queue.ts';
import { openWork } from './open-work.ts';
import { openPredict } from './predict-work.ts';
import { runWork } from './run-work.ts';
import type { WorkDescription } from './work.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

const at = workspace();
const encoder = fakeEncoder();

/** A data set with splits, groups, an unlabelled and two unreadable pictures. */
async function photos(name: string): Promise<string> {
  for (const [split, from, to] of [
    ['train', 0, 6],
    ['val', 6, 8],
    ['test', 8, 11],
  ] as const) {
    const numbers = Array.from({ length: to - from }, (_, i) => from + i);
    await writePictures(at(name, split), { cat: numbers, dog: numbers, owl: numbers });
  }
  await writeFiles(at(name), { 'train/cat/broken.png': 'no picture', 'test/owl/broken.jpg': '' });
  return at(name);
}

/** The learnt state of a classifier, and its answers to a test set. */
async function learnt(source: string, options: object = {}) {
  const classifier: Classifier = await fit(source, {
    encoder,
    thumbnails: false,
    method: 'tip-adapter',
    ...options,
  });
  const { created: _, ...data } = classifier.data;
  const { seconds: __, findings: ___, ...evaluation } = await classifier.evaluate(source);
  const unread = classifier.unread.map(({ image, error }) => [image, error.message]);
  const failures = evaluation.failures.map(({ image, error }) => [image, error.message]);
  await classifier.close();
  return { data, unread, evaluation: { ...evaluation, failures } };
}

const embedded = (source: string | Dataset, output: string, options: Partial<EmbedOptions> = {}) =>
  embed(source, { encoder, output: at(output), ...options });

describe('embed', () => {
  const few = { shots: 3, seed: 2, tune: 'val', groupBy: 'name-prefix' };
  let expected: Record<'all' | 'few', Awaited<ReturnType<typeof learnt>>> | undefined;

  it.each(['npy', 'safetensors', 'parquet', 'parquet-list'] as const)(
    'writes %s, of which fit and evaluate make the same as of the pictures',
    async (format) => {
      const source = await photos('photos');
      const output = `features-${format}`;
      const summary = await embedded(source, output, { format });
      expect(summary).toMatchObject({ pictures: 35, failures: 2, shards: 1, before: false, dimension: 16 });
      const before = encoder.asked.images;
      const own = await learnt(at(output));
      expected ??= { all: await learnt(source), few: await learnt(source, few) };
      const { all } = expected;
      expect(own).toEqual({ ...all, data: { ...all.data, dataset: 'photos' } });
      expect(own.unread).toHaveLength(1);
      expect(await learnt(at(output), few)).toEqual(expected.few);
      expect(encoder.asked.images).toBe(before);
      const failures = await readFile(at(output, 'failures.csv'), 'utf8');
      expect(failures.split('\r\n').slice(0, 2).join('\n')).toMatch(
        /^index,id,class,split,group,code,message\n\d+,(train|test)\/\w+\/broken.\w+,(cat|owl),(train|test),,image\//,
      );
    },
  );

  it('does nothing for a finished run, and only what changed for another', async () => {
    const source = await writePictures(at('again'), { cat: 3, dog: 3 });
    await embedded(source, 'again-features');
    const [asked, files] = [encoder.asked.images, await readdir(at('again-features'))];
    expect(files.toSorted()).toEqual(['info.json', 'train.csv', 'train.labels.npy', 'train.npy']);
    expect(await embedded(source, 'again-features')).toMatchObject({ before: true, pictures: 6 });
    await rm(at('again-features', 'train.csv'));
    expect(await embedded(source, 'again-features')).toMatchObject({ before: false, pictures: 6 });
    expect(encoder.asked.images).toBe(asked);
    await writePictures(source, { fox: 2 });
    expect(await embedded(source, 'again-features')).toMatchObject({ before: false, pictures: 8 });
    expect(encoder.asked.images).toBe(asked + 2);
    expect((await readDataset(at('again-features'))).classes.map(({ id }) => id)).toEqual([
      'cat',
      'dog',
      'fox',
    ]);
    // A changed date may mean a changed picture: the file is read again.
    await utimes(at('again', 'cat', '0.png'), 1, 1);
    expect(await embedded(source, 'again-features')).toMatchObject({ before: false });
  });

  it('refuses an output that holds other files or other features, features of another encoder, and an unfinished run', async () => {
    const source = await writePictures(at('refused'), { cat: 2, dog: 2 });
    await expect(embedded(source, 'refused')).rejects.toMatchObject({ code: 'output/not-empty' });
    await embedded(source, 'refused-features');
    const other = fakeEncoder('other', 'b');
    const elsewhere = await writePictures(at('refused-elsewhere'), { cat: 2, dog: 2 });
    for (const run of [
      () => embedded(elsewhere, 'refused-features'),
      () => embedded(source, 'refused-features', { encoder: other }),
    ])
      await expect(run()).rejects.toMatchObject({ code: 'output/other-features' });
    await expect(fit(at('refused-features'), { encoder: other })).rejects.toMatchObject({
      code: 'features/other-encoder',
    });
    await expect(fit(at('refused-features'), { encoder, views: 10 })).rejects.toMatchObject({
      code: 'features/view',
    });
    await expect(readDataset(at('refused-features'), { crop: 'boxes' })).rejects.toMatchObject({
      code: 'dataset/no-effect',
    });
    const info = JSON.parse(await readFile(at('refused-features', 'info.json'), 'utf8'));
    const infoWith = (changes: object) =>
      writeFile(at('refused-features', 'info.json'), JSON.stringify({ ...info, ...changes }));
    await infoWith({ finished: false });
    await expect(readDataset(at('refused-features'))).rejects.toMatchObject({ code: 'features/unfinished' });
    await infoWith({ pictures: 5 });
    await expect(readDataset(at('refused-features'))).rejects.toMatchObject({ code: 'features/damaged' });
    await infoWith({ classes: 7 });
    await expect(readDataset(at('refused-features'))).rejects.toMatchObject({ code: 'features/info' });
  });

  it.each(['npy', 'safetensors', 'parquet', 'parquet-list'] as const)(
    'refuses fewer pictures than a finished folder of %s has, and keeps the folder as it is',
    async (format) => {
      const output = `fewer-${format}`;
      await embedded(stored(20), output, { format });
      const before = await readFile(at(output, 'info.json'), 'utf8');
      await expect(embedded(stored(10), output, { format })).rejects.toMatchObject({
        code: 'output/other-features',
        message: `${at(output)} holds features of 20 pictures, and this run has 10`,
        hint: 'Give another folder for features of the 10 pictures, or remove this one first.',
      });
      expect(await readFile(at(output, 'info.json'), 'utf8')).toBe(before);
      expect((await readDataset(at(output))).examples).toHaveLength(20);
      expect(await embedded(stored(30), output, { format })).toMatchObject({ before: false, pictures: 30 });
    },
  );

  it('makes an interrupted run the same as one that was not, with only what is missing', async () => {
    const data = stored(6000);
    await embedded(data, 'whole', { format: 'parquet' });
    const stop = new AbortController();
    const first = embedded(data, 'halves', {
      format: 'parquet',
      signal: stop.signal,
      onProgress: ({ shards }) => shards === 1 && stop.abort(),
    });
    await expect(first).rejects.toThrow(InterruptedError);
    const done = (await readdir(at('halves', 'shards'))).length;
    expect(done).toBe(1);
    let kept = 0;
    await embedded(data, 'halves', {
      format: 'parquet',
      onProgress: (progress) => {
        kept = progress.kept;
      },
    });
    expect(kept).toBe(1);
    const files = await readdir(at('whole'), { recursive: true });
    expect(files.length).toBeGreaterThan(5);
    expect(await readdir(at('halves'), { recursive: true })).toEqual(files);
    for (const file of files.filter((name) => /\.\w+$/.test(name)))
      expect((await readFile(at('halves', file))).equals(await readFile(at('whole', file))), file).toBe(true);
    const read = await readDataset(at('halves'));
    expect(read.examples.map(({ id }) => id)).toEqual(data.examples.map(({ id }) => id));
    expect(read.examples[5999]!.stored!.values).toEqual(data.examples[5999]!.stored!.values);
  });

  it('encodes only the shard of a new picture', async () => {
    const data = stored(6000);
    await embedded(data, 'grown', { format: 'parquet' });
    const before = await readdir(at('grown', 'shards'));
    await cp(at('grown'), at('grown-copy'), { recursive: true });
    const [more] = stored(1, 'new').examples;
    const examples = [...data.examples.slice(0, 3000), more!, ...data.examples.slice(3000)];
    await embedded({ ...data, examples }, 'grown', { format: 'parquet' });
    const after = await readdir(at('grown', 'shards'));
    expect(before.filter((name) => !after.includes(name))).toHaveLength(1);
    expect(after).toHaveLength(before.length);
  });

  it('counts what could not be listed among the pictures', async () => {
    const unreadable = [{ path: 'locked', reason: 'EACCES' }];
    expect(await embedded({ ...stored(3), unreadable }, 'locked')).toMatchObject({
      pictures: 4,
      failures: 1,
    });
  });

  it('of texts leaves no numbers beside the description of others', async () => {
    const texts = (output: string, other: Partial<Parameters<typeof embedTexts>[1]> = {}) =>
      embedTexts(['a cat', 'a dog'], { output: at(output), encoder, ...other });
    await texts('texts');
    // A run that was killed: its numbers are there, and not its description.
    await rm(at('texts', 'info.json'));
    await texts('texts', { format: 'parquet' });
    expect((await readdir(at('texts'))).toSorted()).toEqual(['info.json', 'texts.parquet']);
    await embedded(stored(3), 'no-texts');
    await expect(texts('no-texts')).rejects.toMatchObject({ code: 'output/not-empty' });
    const options = { output: 's3://bucket/texts' };
    await expect(embedTexts(['a'], options)).rejects.toThrow('Texts are embedded into a folder');
  });

  it.each(['npy', 'safetensors'] as const)(
    'refuses labels in %s that differ from the CSV file',
    async (format) => {
      await embedded(stored(20), `labels-${format}`, { format });
      const path = at(`labels-${format}`, 'train.csv');
      const text = await readFile(path, 'utf8');
      await withoutSum(`labels-${format}`, 'train.csv');
      await writeFile(path, text.replace('p/4.jpg,cat', 'p/4.jpg,dog'));
      const message = 'Row 4 of the table train has the label 0 ("cat"), and train.csv says "dog"';
      const error = { code: 'features/label', message };
      await expect(readDataset(at(`labels-${format}`))).rejects.toMatchObject(error);
      await expect(readInBlocks(`labels-${format}`)).rejects.toMatchObject(error);
      await writeFile(path, text);
      await readInBlocks(`labels-${format}`);
    },
  );

  it('refuses damaged files of features', async () => {
    await embedded(stored(20), 'damaged', { format: 'parquet' });
    const [name] = await readdir(at('damaged', 'shards'));
    await appendFile(at('damaged', 'shards', name!), 'more');
    const hint = expect.stringContaining(`remove the entry "shards/${name}" of "sums" in info.json`);
    const error = { code: 'features/checksum', hint };
    await expect(readDataset(at('damaged'))).rejects.toMatchObject(error);
    await expect(readInBlocks('damaged')).rejects.toMatchObject(error);
    await withoutSum('damaged', `shards/${name}`);
    await expect(readDataset(at('damaged'))).rejects.toMatchObject({ code: 'dataset/parquet' });
  });

  it('refuses a file that is damaged between two readings and keeps its size and date', async () => {
    await embedded(stored(20), 'replaced', { format: 'parquet' });
    const [name] = await readdir(at('replaced', 'shards'));
    const path = at('replaced', 'shards', name!);
    const bytes = await readFile(path);
    const write = async () => {
      await writeFile(path, bytes);
      await utimes(path, 1e9, 1e9);
      return (await stat(path)).ctimeMs;
    };
    const before = await write();
    const { parts } = await openFeatureBlocks(at('replaced'));
    const read = async () => {
      let rows = 0;
      for await (const { labels } of parts[0]!.blocks()) rows += labels.length;
      return rows;
    };
    expect(await read()).toBe(20);
    bytes[bytes.length >> 1]! ^= 1;
    await vi.waitUntil(async () => (await write()) !== before);
    await expect(read()).rejects.toMatchObject({ code: 'features/checksum' });
  });

  it.each(['npy', 'safetensors', 'parquet', 'parquet-list'] as const)(
    'refuses each flipped bit of %s, and reads folders of older versions, which have no sums',
    async (format) => {
      const folder = `flips-${format}`;
      await embedded({ ...stored(20), unreadable: [{ path: 'locked', reason: 'EACCES' }] }, folder, {
        format,
      });
      const names: string[] = await readdir(at(folder), { recursive: true });
      const files = names.filter((name) => /\.\w+$/.test(name) && name !== 'info.json');
      const whole = await readInBlocks(folder);
      for (const file of files) {
        const bytes = await readFile(at(folder, file));
        for (let k = 0; k < 12; k++) {
          const flipped = Buffer.from(bytes);
          flipped[Math.floor((k * bytes.length) / 12)]! ^= 1 << (k % 8);
          await writeFile(at(folder, file), flipped);
          const code = 'features/checksum';
          // The list of failures is not read for these features, none of which failed when they were computed.
          if (file !== 'failures.csv') await expect(readDataset(at(folder))).rejects.toMatchObject({ code });
          if (file !== 'failures.csv') await expect(readInBlocks(folder)).rejects.toMatchObject({ code });
        }
        await writeFile(at(folder, file), bytes);
      }
      const { sums, ...older } = JSON.parse(await readFile(at(folder, 'info.json'), 'utf8'));
      expect(Object.keys(sums).toSorted()).toEqual(files.toSorted());
      const read = await readDataset(at(folder));
      await writeFile(at(folder, 'info.json'), JSON.stringify(older));
      expect(await readInBlocks(folder)).toEqual(whole);
      expect(JSON.stringify(await readDataset(at(folder)))).toBe(JSON.stringify(read));
    },
  );

  it('refuses a damaged file of an earlier run, which it would use again, until the file is removed', async () => {
    const data = stored(3);
    await embedded(data, 'kept', { format: 'parquet' });
    const names = await readdir(at('kept', 'shards'));
    const path = at('kept', 'shards', names[0]!);
    const bytes = await readFile(path);
    // The facts at the end of the file remain as they are.
    bytes[8]! ^= 1;
    await writeFile(path, bytes);
    const renamed = { ...data, name: 'renamed' };
    for (const _ of ['a run', 'the same again'])
      await expect(embedded(renamed, 'kept', { format: 'parquet' })).rejects.toMatchObject({
        code: 'features/checksum',
        message: expect.stringContaining(`shards/${names[0]}`),
      });
    await rm(path);
    await embedded(renamed, 'kept', { format: 'parquet' });
    expect((await readDataset(at('kept'))).name).toBe('renamed');
    expect(await readdir(at('kept', 'shards'))).toEqual(names);
  });

  it('checks the bytes of a file of a store, which it then has in memory', async () => {
    let reads = 0;
    const read = async () => {
      reads++;
      return Buffer.from('abc');
    };
    const file = await verified({ path: 'a', read }, { a: sha256('abc') });
    expect([await file.read(), reads]).toEqual([Buffer.from('abc'), 1]);
    const code = 'features/checksum';
    await expect(verified({ path: 'a', read }, { a: sha256('abd') })).rejects.toMatchObject({ code });
  });
});

/** The labels and numbers of the examples, read in blocks. */
async function readInBlocks(folder: string) {
  const found: { labels: number[]; numbers: unknown[] } = { labels: [], numbers: [] };
  for (const part of (await openFeatureBlocks(at(folder))).parts)
    for await (const { labels, numbers } of part.blocks()) {
      found.labels.push(...labels);
      found.numbers.push(...Array.from(numbers.data as Float32Array));
    }
  return found;
}

/** Takes the checksum of a file out of info.json, as a user does who has changed the file. */
async function withoutSum(folder: string, name: string): Promise<void> {
  const info = JSON.parse(await readFile(at(folder, 'info.json'), 'utf8'));
  expect(delete info.sums[name]).toBe(true);
  await writeFile(at(folder, 'info.json'), JSON.stringify(info));
}

/** A data set of n pictures whose features are stored. */
function stored(n: number, prefix = 'p'): Dataset {
  const examples = Array.from({ length: n }, (_, i): Example => {
    const values = Float32Array.from({ length: 16 }, (_, j) => Math.sin(i + j + 1));
    const hash = `${prefix}${i}`;
    return {
      id: `${prefix}/${i}.jpg`,
      label: i % 2,
      stored: { encoder: encoder.fingerprint, sha256: hash, exif: true, values },
      read: async () => new Uint8Array(),
    };
  });
  const names = ['cat', 'dog'].map((id) => ({ id, name: id, promptName: id, prompts: [] }));
  return { name: 'stored', root: '/stored', classes: names, examples, findings: [] };
}

describe('the work of a description', () => {
  it('is that of the one who began the run, on another machine', async () => {
    const source = await writePictures(at('described'), { cat: 3, dog: 3 });
    const options = {
      encoder,
      output: at('described-features'),
      format: 'parquet',
      dtype: 'float16',
    } as const;
    const { work } = await openEmbed(source, options);
    await work.begin();
    const same = await openWork(JSON.parse(JSON.stringify(work.description)), { encoder });
    expect(same.id).toBe(work.id);
    expect(same.description).toEqual(work.description);
    for await (const shard of work.shards()) {
      const given = JSON.parse(JSON.stringify(shard));
      expect(await same.run(given)).toMatchObject({
        pictures: 6,
        failures: 0,
        bytesRead: expect.any(Number),
      });
      // A shard that is done twice does no harm.
      expect(await work.run(shard)).toMatchObject({ pictures: 6 });
      // The hash of a shard is that of its pictures.
      await expect(same.run({ ...given, id: 'another' })).rejects.toMatchObject({ code: 'scale/changed' });
    }
    expect(await work.finish()).toEqual({ shards: 1, pictures: 6, failures: 0 });
    const other = fakeEncoder('fake', 'c');
    await expect(openWork(work.description, { encoder: other })).rejects.toMatchObject({
      code: 'scale/other-encoder',
    });
    await expect(openWork({ kind: 'embed', source: 7 })).rejects.toMatchObject({ code: 'scale/description' });
  });
});

it('joined encoders are embedded with equal weights, which fit and evaluate find again', async () => {
  for (const part of [fakeEncoder('first'), fakeEncoder('second', 'b')]) registerEncoder(part);
  await writePictures(at('joined/train'), { cat: 3, dog: 3 });
  await writePictures(at('joined/test'), { cat: [5], dog: [5] });
  const { encoder: id } = await embed(at('joined'), {
    encoder: 'first+second',
    output: at('joined-features'),
  });
  expect(id).toBe('0.5*first+0.5*second');
  const { data, evaluation } = await learnt(at('joined-features'), { encoder: 'auto' });
  expect([data.encoder.id, evaluation.accuracy]).toEqual([id, 1]);
  const texts = { encoder: 'first+second', output: at('joined-texts') };
  expect(await embedTexts(['a cat'], texts)).toMatchObject({ encoder: id });
});

describe('predict into a folder', () => {
  it('writes the answers of predict, continues, and is opened from its description', async () => {
    const source = await writePictures(at('asked'), { cat: 3, dog: 3 });
    await writeFiles(source, { 'dog/broken.png': 'no picture' });
    await writeFiles(at('outside'), { 'broken.png': 'no picture' });
    await symlink(at('outside'), at('asked', 'link'), 'junction');
    registerEncoder(encoder);
    const classifier = await fit(source, { encoder, thumbnails: false, method: 'tip-adapter' });
    await classifier.save(at('asked.safetensors'));
    const names = ['cat', 'dog'].flatMap((kind) => [0, 1, 2].map((i) => at('asked', kind, `${i}.png`)));
    const { predictions } = await classifier.predict(names);
    await classifier.close();
    const output = at('answers');
    const paths = { source, output, classifier: at('asked.safetensors') };
    const description = { ...paths, reading: { followLinks: true } };
    const listed = await unlabelledData(source, description.reading);
    const classifierFile = { path: paths.classifier, place: paths.classifier };
    const given = { ...paths, classifier: classifierFile, source: listed, description };
    await expect(openPredict(given, { signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
    const { work } = await openPredict(given);
    expect(await runWork(work, localQueue)).toMatchObject({ pictures: 8, failures: 2, before: false });
    expect(await runWork(work, localQueue)).toMatchObject({ pictures: 8, failures: 2, before: true });
    const same = await openWork(JSON.parse(JSON.stringify(work.description)));
    expect(same.id).toBe(work.id);
    for await (const shard of same.shards()) expect(shard.pictures).toBe(8);
    const [name] = await readdir(at('answers', 'shards'));
    const file = await openParquet(diskFile(name!, at('answers', 'shards', name!)));
    const column = (of: string) => file.texts({ column: of, start: 0, end: file.rows });
    expect(await column('id')).toEqual(predictions.map(({ id }) => id));
    expect((await column('probability')).map(Number)).toEqual(
      predictions.map(({ probability }) => probability),
    );
    await Promise.all([work.close(), same.close()]);
    await expect(openWork({ ...work.description, sha256: 'other' } as WorkDescription)).rejects.toMatchObject(
      {
        code: 'scale/other-classifier',
      },
    );
  });
});
