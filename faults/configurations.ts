import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileCheckpoint } from '../src/classifier/training-checkpoint.ts';
import { readFeatureDump } from '../src/dataset/feature-dump.ts';
import { readDataset } from '../src/dataset/read.ts';
import { modelsOf, parseRecord } from '../src/encoder/record.ts';
import { type Random, random } from '../src/math/random.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { openFeatureCache } from '../src/store/feature-cache.ts';
import { encodeSafetensors } from '../src/store/safetensors.ts';
import { openDiskJournal } from '../src/studio/disk-journal.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, mutateJson, mutateText, pick } from './mutate.ts';

/** A kind of folder. One of its files is mutated. */
interface Kind {
  readonly files: Readonly<Record<string, Buffer>>;
  /** The files that are mutated. */
  readonly mutated: readonly string[];
  /** Reads the folder and asserts that the result agrees with its files. */
  examine(folder: string): Promise<void>;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const draw = random('configurations', 1);
const numbers = (...shape: number[]) =>
  floatTensor(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw.normal()),
  );

const LABELS = [0, 1, 2, 0, 1, 2];

function npy(rows: number, cols: number): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`.padEnd(117);
  const front = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  return Buffer.concat([front, Buffer.from(`${header}\n`), Buffer.from(numbers(rows, cols).data.buffer)]);
}

async function examineFeatures(folder: string): Promise<void> {
  const { classes, dimension, draws, text } = await readFeatureDump(folder);
  assert(classes.length >= 2 && dimension > 0);
  for (const { features, labels } of draws.values()) {
    assert.equal(features.cols, dimension);
    assert.equal(features.rows, labels.length);
    assert(features.data.every(Number.isFinite), 'a feature is not a number');
    assert(
      labels.every((label) => label >= 0 && label < classes.length),
      'a label is of no class',
    );
  }
  if (text) assert.deepEqual([text.rows, text.cols], [classes.length, dimension]);
}

const features: Kind = {
  files: {
    'info.json': json({
      model: 'CLIP',
      classes: ['cat', 'dog', 'owl'],
      files: { 'train.npy': { labels: LABELS } },
    }),
    'train.npy': npy(LABELS.length, 8),
    'text.npy': npy(3, 8),
  },
  mutated: ['info.json', 'train.npy', 'text.npy'],
  examine: examineFeatures,
};

const tensors: Kind = {
  files: {
    'info.json': json({ dataset: 'Things', classes: ['cat', 'dog', 'owl'] }),
    'train.safetensors': Buffer.from(
      encodeSafetensors({
        features: numbers(LABELS.length, 8),
        labels: { dtype: 'int32', shape: [LABELS.length], data: Int32Array.from(LABELS) },
      }),
    ),
  },
  mutated: ['info.json', 'train.safetensors'],
  examine: examineFeatures,
};

const pictures = Array.from({ length: 8 }, (_, i) => `${['bush', 'shark'][i % 2]}/${i}.jpg`);
const splits: Kind = {
  files: {
    ...Object.fromEntries(pictures.map((path) => [`images/${path}`, Buffer.from(path)])),
    'split_zhou_Things.json': json({
      train: pictures.slice(0, 4).map((path, i) => [path, i % 2, ['bush', 'shark_fin'][i % 2]]),
      val: pictures.slice(4, 6).map((path, i) => [path, i % 2, ['bush', 'shark_fin'][i % 2]]),
      test: pictures.slice(6).map((path, i) => [path, i % 2, ['bush', 'shark_fin'][i % 2]]),
    }),
  },
  mutated: ['split_zhou_Things.json'],
  examine: async (folder) => {
    const { examples, classes } = await readDataset(folder);
    const written = await readFile(join(folder, 'split_zhou_Things.json'), 'utf8');
    for (const { id, label } of examples) {
      assert(pictures.includes(id.replace(/^images\//, '')), `${id} is none of the pictures`);
      assert(label >= 0 && label < classes.length, `${id} has label ${label}`);
      // A picture may be named without its extension.
      assert(written.includes(basename(id, '.jpg')), `${id} is not in the file`);
    }
    assert.equal(new Set(examples.map(({ id }) => id)).size, examples.length, 'a picture is there twice');
  },
};

const hash = (i: number) => `${i}`.repeat(64).slice(0, 64);
const lines = [
  {
    base: {
      classes: [{ id: 'a', name: 'cat' }],
      pictures: [],
      settings: { method: 'auto', reject: 0 },
      confirmed: [],
    },
  },
  {
    command: {
      do: 'add',
      pictures: [1, 2, 3].map((i) => ({ hash: hash(i), name: `${i}.jpg`, classId: 'a' })),
    },
    step: 's',
  },
  { command: { do: 'add-class', id: 'b', name: 'dog' } },
  { command: { do: 'place', hashes: [hash(1), hash(2)], classId: 'b' } },
  { command: { do: 'rename-class', id: 'b', name: 'hound' } },
  { move: 'undo' },
  { command: { do: 'confirm', hashes: [hash(3)] } },
  { command: { do: 'set', settings: { method: 'gda', reject: 0.2, alpha: 2, beta: 3 } } },
  { command: { do: 'merge-classes', from: 'b', into: 'a' } },
  { command: { do: 'discard', hashes: [hash(2)] } },
];
const journal: Kind = {
  files: { 'session.jsonl': Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')) },
  mutated: ['session.jsonl'],
  examine: async (folder) => {
    const opened = await openDiskJournal(folder);
    const { board } = opened.history;
    await opened.close();
    const ids = board.classes.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, `a class is there twice: ${ids.join(', ')}`);
    for (const [key, { hash, classId }] of board.pictures) {
      assert.equal(key, hash);
      assert(
        classId === undefined || ids.includes(classId),
        `a picture is of class ${classId}, which is not there`,
      );
    }
    // Starting again from the files gives the same board.
    const again = await openDiskJournal(folder);
    assert.deepEqual(again.history.board, board);
    await again.close();
  },
};

const record: Kind = {
  files: {
    'encoder.json': json({
      format: 1,
      id: 'small',
      kind: 'dual',
      source: 'a folder',
      licence: 'MIT',
      precision: 'fp32',
      fingerprint: hash(7),
      dimension: 24,
      logitScale: 20,
      preprocessing: {
        resize: 'shortest',
        resizeTo: 32,
        crop: 32,
        filter: 'bicubic',
        channels: 'rgb',
        layout: 'nchw',
        scale: 1 / 255,
        mean: [0.5, 0.5, 0.5],
        std: [0.5, 0.5, 0.5],
      },
      text: { padding: 'longest', length: 77, pad: 0 },
      defaults: { alpha: 1, beta: 5.5, maxAlpha: 20, maxBeta: 20, template: 'a {}' },
      imageModel: 'vision.onnx',
      textModel: 'text.onnx',
      files: [{ path: 'vision.onnx', bytes: 10, sha256: hash(1) }],
    }),
  },
  mutated: ['encoder.json'],
  examine: async (folder) => {
    const found = parseRecord(await readFile(join(folder, 'encoder.json'), 'utf8'), 'encoder.json');
    assert.deepEqual(parseRecord(JSON.stringify(found), 'again'), found);
    for (const path of [...modelsOf(found), ...found.files.map(({ path }) => path)])
      assert(!path.startsWith('/') && !path.split('/').includes('..'), `${path} leads out of the folder`);
  },
};

const state = {
  step: 12,
  parameters: { keys: numbers(6, 8), bias: numbers(3) },
  moments: { 'keys.m': numbers(6, 8) },
};
const IDENTITY = ['training', '1'];
const checkpoint: Kind = {
  files: {},
  mutated: ['pets.training'],
  examine: async (folder) => {
    const opened = await fileCheckpoint(join(folder, 'pets.training'), { resume: true }).open(IDENTITY);
    assert.deepEqual(opened.state, state, 'another training goes on');
  },
};

const entries = Array.from({ length: 20 }, (_, i) => ({
  key: `picture${i}:encoder:0`,
  value: numbers(1, 16).data as Float32Array,
}));
const cache: Kind = {
  files: {},
  mutated: ['features.index', 'features.data'],
  examine: async (folder) => {
    const warnings: string[] = [];
    const opened = openFeatureCache(folder, { onWarning: (warning) => warnings.push(warning) });
    const check = () =>
      opened.getMany(entries.map(({ key }) => key)).map((value, i) => {
        const entry = entries[i]!;
        if (value) assert.deepEqual(value, entry.value, `${entry.key} has other numbers`);
        return value;
      });
    check();
    await opened.putMany(entries);
    assert(check().every(Boolean), 'what was put is not there');
    await opened.close();
    assert.deepEqual(warnings, []);
  },
};

const KINDS = { features, tensors, splits, journal, record, checkpoint, cache };

export const campaign: Campaign = {
  title:
    'Configurations and what the program keeps: feature folders, split files, sessions, records, checkpoints, the cache',
  seconds: 20,
  megabytes: 1024,
  prepare: async (folder) => {
    for (const [name, { files }] of Object.entries(KINDS)) {
      await mkdir(join(folder, name));
      for (const [file, content] of Object.entries(files)) await write(join(folder, name, file), content);
    }
    await (await fileCheckpoint(join(folder, 'checkpoint', 'pets.training'), {}).open(IDENTITY)).save(state);
    const opened = openFeatureCache(join(folder, 'cache'));
    await opened.putMany(entries);
    await opened.close();
  },
  open: async (folder, scratch) => async (random) => {
    const name = pick(random, Object.keys(KINDS)) as keyof typeof KINDS;
    const { files, mutated, examine } = KINDS[name];
    const own = join(scratch, name);
    await rm(own, { recursive: true, force: true });
    await mkdir(own, { recursive: true });
    for (const file of new Set([...Object.keys(files), ...mutated])) {
      await mkdir(dirname(join(own, file)), { recursive: true });
      await copyFile(join(folder, name, file), join(own, file));
    }
    const path = join(own, pick(random, mutated));
    await writeFile(path, mutate(path, await readFile(path), random));
    await examine(own);
  },
};

/** Mostly keeps JSON valid, so that mutants get past the parser. */
function mutate(path: string, content: Buffer, random: Random): string | Buffer {
  const isLines = path.endsWith('.jsonl');
  if (!isLines && !path.endsWith('.json')) return mutateBytes(content, random);
  switch (random.integer(4)) {
    case 0:
      return mutateBytes(content, random);
    case 1:
      return mutateText(content.toString(), random);
    default: {
      if (!isLines) return JSON.stringify(mutateJson(JSON.parse(content.toString()), random)) ?? '';
      const all = content.toString().trimEnd().split('\n');
      const at = random.integer(all.length);
      all[at] = JSON.stringify(mutateJson(JSON.parse(all[at]!), random)) ?? '';
      return `${random.integer(4) ? all.join('\n') : random.shuffle(all).join('\n')}\n`;
    }
  }
}

async function write(path: string, content: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
