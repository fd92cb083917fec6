import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zipSync } from 'fflate';
import { beforeAll, expect, it } from 'vitest';
import { Classifier } from '../src/classifier/classifier.ts';
import { sessionFor } from '../src/classifier/encoder-session.ts';
import { fakeEncoder, picture, workspace, writeFiles } from '../src/classifier/fake-encoder.fixture.ts';
import { readFeatureDump } from '../src/dataset/feature-dump.ts';
import { unbundle } from '../src/encoder/bundle.ts';
import { describeFolder } from '../src/encoder/dual-record.ts';
import { encoderFolder } from '../src/encoder/installed.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import type { Encoder } from '../src/encoder/types.ts';
import { bundleEncoder } from '../src/encoder/write-bundle.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { exportOnnx } from '../src/export/index.ts';
import { createImageLoader } from '../src/image/loader.ts';
import { type FitOptions, fit, load, loadEncoder, readDataset } from '../src/index.ts';
import { matrix } from '../src/math/matrix.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { plainSupport } from '../src/methods/task.ts';
import { sha256 } from '../src/sha256.ts';
import { homeFolder } from '../src/store/home.ts';
import { encodeSafetensors } from '../src/store/safetensors.ts';
import { diskTeacher } from '../src/studio/disk-teacher.ts';
import type { Lesson } from '../src/studio/lesson.ts';
import type { Teacher } from '../src/studio/teacher.ts';
import { threadClock } from './thread-clock.ts';

/** Milliseconds within which work must end after its signal. */
const PROMPT = 100;

const at = workspace();
const encoder = fakeEncoder();
const CLASSES = 20;
const EXAMPLES = 12_000;
const PICTURES = 400;
const kindOf = (i: number) => (i % 2 === 0 ? 'cat' : 'dog');

/** A folder of features, each near its class's centre. */
async function writeFeatures(name: string, rows: number, width: number): Promise<string> {
  let state = 1;
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
  const centres = Float32Array.from({ length: CLASSES * width }, noise);
  const table = (count: number, spread: number) => ({
    features: floatTensor(
      [count, width],
      Float32Array.from(
        { length: count * width },
        (_, at) =>
          centres[(Math.floor(at / width) % CLASSES) * width + (at % width)]! / 4 + (spread * noise()) / 4,
      ),
    ),
    labels: {
      dtype: 'int32' as const,
      shape: [count],
      data: Int32Array.from({ length: count }, (_, i) => i % CLASSES),
    },
  });
  await mkdir(at(name));
  await writeFile(at(name, 'train.safetensors'), encodeSafetensors(table(rows, 3)));
  await writeFile(at(name, 'test.safetensors'), encodeSafetensors(table(rows, 3)));
  await writeFile(at(name, 'prompts.safetensors'), encodeSafetensors(table(3 * CLASSES, 1)));
  const classes = Array.from({ length: CLASSES }, (_, c) => `class ${c}`);
  await writeFile(at(name, 'info.json'), JSON.stringify({ classes }));
  return at(name);
}

let features: string;
let narrow: string;
/** A few features, for methods that train and for searches. */
let few: string;
let photos: string;
/** A zip of many empty pictures. */
let archive: string;
let known: Classifier;
let learnt: Classifier;
let seen: Classifier;
let large: Classifier;
let paths: string[];

beforeAll(async () => {
  features = await writeFeatures('features', EXAMPLES, 256);
  narrow = await writeFeatures('narrow', EXAMPLES, encoder.dimension);
  const files = await Promise.all(
    Array.from({ length: PICTURES }, async (_, i) => ({
      name: `${kindOf(i)}/${i}.png`,
      bytes: await picture(kindOf(i), i),
    })),
  );
  photos = await writeFiles(at('photos'), Object.fromEntries(files.map(({ name, bytes }) => [name, bytes])));
  paths = files.map(({ name }) => join(photos, name));
  await mkdir(at('written'));
  known = await fit(features, { method: 'zero-shot', tune: 'fixed' });
  learnt = await fit(narrow, { encoder, method: 'prototype', tune: 'fixed' });
  learnt = await learnt.refit({ method: 'linear-probe', tune: 'fixed' });
  few = await writeFeatures('few', 1000, 128);
  seen = await fit(photos, { encoder: unseen(), method: 'prototype', tune: 'fixed', shots: 2 });
  archive = at('archive.zip');
  const names = Array.from({ length: 30_000 }, (_, i) => [`class ${i % CLASSES}/${i}.png`, new Uint8Array()]);
  await writeFile(archive, zipSync(Object.fromEntries(names), { level: 0 }));
  // The examples' names are one JSON text, whose parsing cannot be interrupted: 60 ms for 150,000 names.
  const rows = 40_000;
  const examples = Array.from({ length: rows }, (_, i) => ({
    id: `row ${i}`,
    sha256: `${i}`.padStart(64, '0'),
  }));
  const label = (i: number) => i % CLASSES;
  const data = Float32Array.from({ length: rows * 256 }, (_, i) => 1 / (1 + (i % 977)));
  const support = plainSupport(
    matrix(rows, 256, data),
    Int32Array.from({ length: rows }, (_, i) => label(i)),
  );
  large = new Classifier({ ...known.data, support, examples }, sessionFor(known.data.encoder));
  await large.save(at('large.safetensors'));
  await writeHeavyEncoder();
  await known.save(at('known.safetensors'));
  await writeFile(at('written', 'old.safetensors'), 'old');
}, 600_000);

/** An encoder whose features are not in the cache. */
const unseen = () => ({ ...fakeEncoder(), fingerprint: sha256(`${serial++}`) });
let serial = 0;

/** An encoder that ignores signals. */
const deaf: Encoder = {
  ...fakeEncoder(),
  embedImages: async (pixels) => {
    await sleep(800);
    return fakeEncoder().embedImages(pixels);
  },
};

/** An encoder with a file of 128 MB, as an exported model with its configuration and as an installed encoder. */
async function writeHeavyEncoder(): Promise<void> {
  const exported = await writeSmallEncoder(at('exported'));
  await writeFile(join(exported, 'vision_model.onnx_data'), '');
  await truncate(join(exported, 'vision_model.onnx_data'), 2 ** 27);
  const record = await describeFolder(
    exported,
    { kind: 'folder', id: 'heavy', path: exported, precision: 'fp32' },
    sharedEngine(),
  );
  const installed = encoderFolder('heavy');
  await cp(exported, installed, { recursive: true });
  await writeFile(join(installed, 'encoder.json'), JSON.stringify(record));
}

const lesson = (count: number): Lesson => ({
  classes: ['cat', 'dog'].map((id) => ({ key: id, id, name: id, promptName: id, prompts: [] })),
  examples: paths.slice(0, count).map((path, i) => ({ hash: path, id: path, label: i % 2, group: i })),
});
const studio = async <T>(work: (teacher: Teacher) => Promise<T>) => {
  const loader = createImageLoader();
  const teacher = diskTeacher(unseen(), { read: (hash) => readFile(hash) }, loader);
  await work(teacher).finally(async () => {
    await teacher.close();
    await loader.close();
  });
};

const fitted = (source: string, options: FitOptions) =>
  fit(source, { tune: 'fixed', ...options }).then((classifier) => classifier.close());
const label = 'class 1';

const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
  'fit, zero-shot': (signal) => fitted(features, { method: 'zero-shot', signal }),
  'fit, a cache': (signal) => fitted(features, { method: 'tip-adapter', signal }),
  'fit, folds': (signal) => fitted(few, { method: 'tip-adapter', tune: 'folds', signal }),
  'fit, auto': (signal) => fitted(few, { method: 'auto', tune: 'folds', signal }),
  'fit, a training': (signal) => fitted(few, { method: 'tip-adapter-f', signal }),
  'fit, many trainings': (signal) => fitted(few, { method: 'clap', options: { epochs: 100 }, signal }),
  'fit, Gaussians': (signal) => fitted(features, { method: 'gda', signal }),
  'fit, LP++': (signal) => fitted(features, { method: 'lp-plus-plus', options: { iterations: 8 }, signal }),
  'fit, keys by text': (signal) => fitted(features, { method: 'ape', signal }),
  'fit, from pictures': (signal) => fitted(photos, { encoder: unseen(), method: 'tip-adapter', signal }),
  'fit, in 8 bits': (signal) => fitted(features, { method: 'zero-shot', keys: 'int8', signal }),
  refit: (signal) => learnt.refit({ method: 'linear-probe', tune: 'fixed' }, { signal }),
  add: (signal) => learnt.add([{ image: paths[0]!, label }], { signal }),
  'add, many pictures': (signal) =>
    seen.add(
      paths.map((image, i) => ({ image, label: kindOf(i) })),
      { signal },
    ),
  remove: (signal) => learnt.remove({ classes: [label] }, { signal }),
  predict: (signal) => learnt.predict(paths, { signal }),
  predictEach: async (signal) => {
    for await (const _ of learnt.predictEach(paths, { signal }));
  },
  predictTogether: (signal) => learnt.predictTogether(paths, { signal }),
  'a stream': async (signal) => {
    for await (const _ of learnt.stream().predictEach(paths, { signal }));
  },
  explain: (signal) =>
    new Classifier(
      learnt.data,
      sessionFor(learnt.data.encoder, { ...deaf, fingerprint: encoder.fingerprint }),
    ).explain(paths[serial++ % PICTURES]!, { signal }),
  encodeTestSet: (signal) => known.encodeTestSet(features, { signal }),
  readDataset: (signal) => readDataset(archive, { signal }),
  readFeatureDump: (signal) => readFeatureDump(features, { signal }),
  'loadEncoder, a folder': async (signal) => {
    // The hashes of its files are known from the first run.
    await rm(join(homeFolder('encoders'), '.folder-hashes.json'), { force: true });
    await loadEncoder(at('exported'), { signal }).then((opened) => opened.close());
  },
  'loadEncoder, an installed one': async (signal) => {
    await rm(join(encoderFolder('heavy'), '.verified.json'), { force: true });
    await loadEncoder('heavy', { signal }).then((opened) => opened.close());
  },
  'bundleEncoder and unbundle': async (signal) => {
    await bundleEncoder('heavy', at('heavy.zip'), { signal });
    await unbundle(at('heavy.zip'), { id: 'copy', signal });
  },
  exportOnnx: (signal) => exportOnnx(known, { input: 'features', signal }),
  'the studio, embedding': (signal) => studio((teacher) => teacher.embedLesson(lesson(PICTURES), { signal })),
  'the studio, searching': (signal) =>
    studio(async (teacher) => {
      await teacher.embedLesson(lesson(60), { signal });
      const watch = { signal, onFit: () => {}, resume: async () => {} };
      const settings = { method: 'auto', reject: 0 };
      await teacher.searched({ ...lesson(60), alike: [] }, settings, { method: 'auto' }, watch);
    }),
  evaluate: (signal) => known.evaluate(features, { signal }),
  load: (signal) => load(at('known.safetensors'), { signal }),
  save: (signal) => known.save(at('written', 'old.safetensors'), { signal }),
  'load, a large file': (signal) => load(at('large.safetensors'), { signal }),
  'save, a large file': (signal) => large.save(at('written', 'old.safetensors'), { signal }),
  scores: (signal) => known.scores(matrix(EXAMPLES, 256), { signal }),
};

interface Timed {
  readonly outcome: unknown;
  /** Milliseconds of the whole work and from the signal to the end, without the time of waiting for a processor. */
  readonly took: number;
  readonly late: number;
}

/** Does work and fires its signal at a moment, in milliseconds of a clock that stops while the thread waits for a processor. */
async function timed(call: (signal: AbortSignal) => Promise<unknown>, moment = Infinity): Promise<Timed> {
  const control = new AbortController();
  const start = threadClock();
  let due = Number.POSITIVE_INFINITY;
  let last = start;
  const clock = setInterval(() => {
    if (due < Infinity) return;
    if (threadClock() - start < moment) {
      last = threadClock();
      return;
    }
    // The signal is overdue: work that blocks the thread delays the timer.
    due = Math.max(last, start + moment);
    control.abort();
  }, 2);
  const outcome = await call(control.signal).then(
    () => 'done',
    (error) => error.code,
  );
  clearInterval(clock);
  return { outcome, took: threadClock() - start, late: threadClock() - due };
}

it.each(Object.entries(calls))('%s', { timeout: 300_000, retry: 2 }, async (name, call) => {
  let { outcome, took } = await timed(call);
  expect(outcome).toBe('done');
  const measured: string[] = [];
  const before = await Promise.all(['.', 'written'].map((folder) => readdir(at(folder))));
  for (const share of [0.1, 0.4]) {
    let interrupted = await timed(call, took * share);
    // The first call opened files and sessions, so a later call may end before its signal. It then gives the time of such a call.
    if (interrupted.outcome === 'done') {
      ({ took } = interrupted);
      interrupted = await timed(call, took * share);
    }
    if (interrupted.outcome === 'done') continue;
    expect(interrupted.outcome).toBe('interrupted');
    measured.push(interrupted.late.toFixed(0));
    expect.soft(interrupted.late, `${name}, at ${share} of ${took.toFixed(0)} ms`).toBeLessThan(PROMPT);
  }
  console.log(`${name}: ${took.toFixed(0)} ms of work, ended ${measured.join(' and ')} ms after its signal`);
  expect(measured.length).toBeGreaterThan(0);
  const after = await Promise.all(['.', 'written'].map((folder) => readdir(at(folder))));
  expect(after.map((names) => names.filter((file) => !file.startsWith('home')))).toEqual(
    before.map((names) => names.filter((file) => !file.startsWith('home'))),
  );
});
