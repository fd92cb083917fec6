import { readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { fakeEncoder, picture, workspace, writeFiles } from '../src/classifier/fake-encoder.fixture.ts';
import { type Classifier, fit, load } from '../src/index.ts';
import { matrix } from '../src/math/matrix.ts';
import { floatTensor } from '../src/math/tensor.ts';
import { encodeSafetensors } from '../src/store/safetensors.ts';

/** Milliseconds in which work ends whose signal fires. */
const PROMPT = 100;

const at = workspace();
const encoder = fakeEncoder();
const CLASSES = 20;
const EXAMPLES = 20_000;
const PICTURES = 400;

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
          centres[(Math.floor(at / width) % CLASSES) * width + (at % width)] / 4 + (spread * noise()) / 4,
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
let photos: string;
let known: Classifier;
let learnt: Classifier;
let paths: string[];

beforeAll(async () => {
  features = await writeFeatures('features', EXAMPLES, 256);
  narrow = await writeFeatures('narrow', EXAMPLES, encoder.dimension);
  const files = await Promise.all(
    Array.from({ length: PICTURES }, async (_, i) => [
      `${['cat', 'dog'][i % 2]}/${i}.png`,
      await picture(['cat', 'dog'][i % 2], i),
    ]),
  );
  photos = await writeFiles(at('photos'), Object.fromEntries(files));
  paths = files.map(([name]) => join(photos, name as string));
  await mkdir(at('written'));
  known = await fit(features, { method: 'zero-shot', tune: 'fixed' });
  learnt = await fit(narrow, { encoder, method: 'prototype', tune: 'fixed' });
  learnt = await learnt.refit({ method: 'linear-probe', tune: 'fixed' });
  await known.save(at('known.safetensors'));
  await writeFile(at('written', 'old.safetensors'), 'old');
}, 600_000);

const fitted = (method: string, signal: AbortSignal) =>
  fit(features, { method, tune: 'fixed', signal }).then((classifier) => classifier.close());
const label = 'class 1';

const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
  'fit, zero-shot': (signal) => fitted('zero-shot', signal),
  'fit, a cache': (signal) => fitted('tip-adapter', signal),
  refit: (signal) => learnt.refit({ method: 'linear-probe', tune: 'fixed' }, { signal }),
  add: (signal) => learnt.add([{ image: paths[0], label }], { signal }),
  remove: (signal) => learnt.remove({ classes: [label] }, { signal }),
  predict: (signal) => learnt.predict(paths, { signal }),
  evaluate: (signal) => known.evaluate(features, { signal }),
  load: (signal) => load(at('known.safetensors'), { signal }),
  save: (signal) => known.save(at('written', 'old.safetensors'), { signal }),
  scores: (signal) => known.scores(matrix(EXAMPLES, 256), { signal }),
};

/** Milliseconds for which this thread has waited for a processor so far: on a busy machine that is most of what a clock shows. */
function waited(): number {
  if (process.platform !== 'linux') return 0;
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

interface Timed {
  readonly outcome: unknown;
  /** Milliseconds that it took, and that passed from the moment until it ended, without those in which it waited for a processor. */
  readonly took: number;
  readonly late: number;
}

/** Does work whose signal is to fire at a moment, in milliseconds of a clock that stands while the thread waits for a processor. */
async function timed(call: (signal: AbortSignal) => Promise<unknown>, moment = Infinity): Promise<Timed> {
  const control = new AbortController();
  const now = () => performance.now() - waited();
  const start = now();
  let due = Number.POSITIVE_INFINITY;
  let last = start;
  const clock = setInterval(() => {
    if (due < Infinity) return;
    if (now() - start < moment) {
      last = now();
      return;
    }
    // It should have fired after the last look: work that holds the thread does not let it.
    due = Math.max(last, start + moment);
    control.abort();
  }, 2);
  const outcome = await call(control.signal).then(
    () => 'done',
    (error) => error.code,
  );
  clearInterval(clock);
  return { outcome, took: now() - start, late: now() - due };
}

it.each(Object.entries(calls))('%s', { timeout: 300_000, retry: 2 }, async (name, call) => {
  // The first call opens what later ones find.
  await call(new AbortController().signal);
  const { outcome, took } = await timed(call);
  expect(outcome).toBe('done');
  const measured: string[] = [];
  const before = await Promise.all(['.', 'written'].map((folder) => readdir(at(folder))));
  for (const share of [0.1, 0.4]) {
    const interrupted = await timed(call, took * share);
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
