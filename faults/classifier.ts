import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atOnce } from '../src/abort.ts';
import { taskOf } from '../src/classifier/classifier-task.ts';
import { fit, load } from '../src/classifier/index.ts';
import { UsageError } from '../src/errors.ts';
import { fromRows, type Matrix } from '../src/math/matrix.ts';
import { type Random, random } from '../src/math/random.ts';
import { floatTensor, type Tensor, type TensorData } from '../src/math/tensor.ts';
import { listMethods, methodById } from '../src/methods/index.ts';
import { scoreRows } from '../src/methods/score.ts';
import { PAGES, withPages } from '../src/store/content-hash.ts';
import { encodeSafetensors, parseSafetensors } from '../src/store/safetensors.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, mutateJson, pick } from './mutate.ts';

const CLASSES = ['cat', 'dog', 'owl'];
const WIDTH = 16;
const SHOTS = 4;
const QUERIES = 5;

export const campaign: Campaign = {
  title: 'Classifier files, resealed, of every method',
  seconds: 20,
  megabytes: 1024,
  prepare: async (folder) => {
    const dump = await writeFeatures(join(folder, 'features'));
    await mkdir(join(folder, 'classifiers'));
    for (const { id } of listMethods()) {
      for (const keys of ['half', 'int8'] as const) {
        try {
          const classifier = await fit(dump, { method: id, keys, tune: 'fixed', seed: 1 });
          await classifier.save(join(folder, 'classifiers', `${id}-${keys}.safetensors`));
          await classifier.close();
        } catch (error) {
          // Some methods need an encoder or cannot be chosen by name.
          if (!(error instanceof UsageError)) throw error;
        }
      }
    }
  },
  open: async (folder, scratch) => {
    const names = await readdir(join(folder, 'classifiers'));
    const originals = await Promise.all(names.map((name) => readFile(join(folder, 'classifiers', name))));
    const path = join(scratch, 'mutant.safetensors');
    const queries = fromRows(Array.from({ length: QUERIES }, (_, i) => near(random('query', i), i % 3)));
    return async (random) => {
      await writeFile(path, mutate(pick(random, originals), random));
      await checkAnswers(path, queries);
    };
  },
};

/** Asserts that both ways of reading the file give the same probabilities, and that these agree with plain arithmetic. */
async function checkAnswers(path: string, queries: Matrix): Promise<void> {
  const whole = await load(path);
  const paged = await load(path, { largestInMemory: 0 });
  try {
    const { data } = whole;
    const [a, b] = [await whole.probabilities(queries), await paged.probabilities(queries)];
    const scores = scoreRows(methodById(data.method), data.state, taskOf(data), queries);
    const engine = await whole.scores(queries);
    const largest = Math.max(1, ...scores.data.map(Math.abs));
    for (let i = 0; i < queries.rows; i++) {
      const row = a.data.subarray(i * a.cols, (i + 1) * a.cols);
      assert(
        row.every((p) => p >= 0 && p <= 1),
        `row ${i} has probabilities ${row.join(', ')}`,
      );
      assert(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1) < 1e-4, `row ${i} does not add up to 1`);
    }
    engine.data.forEach((score, i) => {
      assert(
        Math.abs(score - scores.data[i]!) < 1e-3 * largest,
        `the engine scores ${score}, plain arithmetic ${scores.data[i]}`,
      );
    });
    a.data.forEach((p, i) => {
      assert(Math.abs(p - b.data[i]!) < 5e-3, `read whole ${p}, read by pages ${b.data[i]}`);
    });
  } finally {
    await whole.close();
    await paged.close();
  }
}

/** Mostly changes a text or tensor and corrects the checksum. Otherwise changes bytes of the file. */
function mutate(original: Buffer, random: Random): Uint8Array {
  if (random.integer(8) === 0) return mutateBytes(original, random);
  const { tensors, metadata } = parseSafetensors(original);
  const { [PAGES]: _, ...named }: Record<string, Tensor> = Object.fromEntries(tensors);
  let about: unknown = JSON.parse(metadata.classifier!);
  if (random.integer(2)) about = mutateJson(about, random);
  else mutateTensor(named, random);
  const classifier = JSON.stringify(about) ?? '';
  const whole = atOnce(withPages(named, classifier));
  return encodeSafetensors(whole.tensors, { ...metadata, classifier, sha256: whole.sha256 });
}

const ODD_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1, 3e38, 1e-45, 65504, 2 ** 31, -(2 ** 31)];

function mutateTensor(tensors: Record<string, Tensor>, random: Random): void {
  const [name, tensor] = pick(random, Object.entries(tensors));
  const { dtype, shape, data } = tensor;
  const width = shape.length > 1 ? shape.at(-1)! : 1;
  const other = data.slice() as TensorData;
  switch (random.integer(8)) {
    case 0:
      delete tensors[name];
      break;
    case 1:
      tensors[pick(random, [`${name}x`, 'state.extra', 'state.keys', 'state.alpha'])] = tensor;
      break;
    case 2:
      tensors[name] = pick(random, Object.values(tensors));
      break;
    case 3:
      tensors[name] = floatTensor(
        shape,
        Float32Array.from(data as Float32Array, (x) => x),
      );
      break;
    case 4:
      tensors[name] = {
        dtype,
        shape: pick(random, [[...shape].reverse(), [1, ...shape], [data.length]]),
        data,
      };
      break;
    case 5: {
      const rows = random.integer(data.length / width + 1);
      tensors[name] = {
        dtype,
        shape: [rows, ...shape.slice(1)],
        data: data.slice(0, rows * width) as TensorData,
      };
      break;
    }
    default:
      for (let changes = 1 + random.integer(3); changes > 0 && other.length > 0; changes--) {
        const at = random.integer(other.length);
        if (random.integer(2)) other[at] = pick(random, ODD_NUMBERS) as never;
        else other.set(other.subarray(random.integer(other.length)).slice(0, other.length - at) as never, at);
      }
      tensors[name] = { dtype, shape, data: other };
  }
  if (tensors[name]?.shape.reduce((a, b) => a * b, 1) !== tensors[name]?.data.length) delete tensors[name];
}

function near(noise: Random, label: number): number[] {
  const centre = random('centre', label);
  const row = Array.from({ length: WIDTH }, () => centre.normal() + 0.4 * noise.normal());
  return row.map((x) => x / Math.hypot(...row));
}

/** A folder of features to fit on. */
async function writeFeatures(folder: string): Promise<string> {
  await mkdir(folder);
  const noise = random('features', 1);
  const labels = Int32Array.from({ length: SHOTS * CLASSES.length }, (_, i) => i % CLASSES.length);
  const table = (rows: number[][]) => floatTensor([rows.length, WIDTH], Float32Array.from(rows.flat()));
  const train = encodeSafetensors({
    features: table([...labels].map((label) => near(noise, label))),
    labels: { dtype: 'int32', shape: [labels.length], data: labels },
  });
  await writeFile(join(folder, 'train.safetensors'), train);
  const text = encodeSafetensors({ features: table(CLASSES.map((_, label) => near(noise, label))) });
  await writeFile(join(folder, 'text.safetensors'), text);
  await writeFile(join(folder, 'info.json'), JSON.stringify({ classes: CLASSES }));
  return folder;
}
