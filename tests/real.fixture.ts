import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../src/engine/types.ts';
import { fromHalf } from '../src/math/half.ts';
import { argmax, type Matrix, matrix, row } from '../src/math/matrix.ts';
import { methodById, plainSupport, type State, type Task, type TextHead } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { parseNpy } from '../src/store/npy.ts';

const shared = join(import.meta.dirname, '../../shared');

/** Whether the real features and the reference numbers are beside the project. */
export const there =
  existsSync(join(shared, 'data/clip_vitb32')) && existsSync(join(shared, 'golden/real_features.json'));

// biome-ignore lint/suspicious/noExplicitAny: a file of reference numbers with a part for each test.
export const golden: any = there
  ? JSON.parse(readFileSync(join(shared, 'golden/real_features.json'), 'utf8'))
  : {};

export interface Rows {
  features: Matrix;
  labels: Int32Array;
}

export function load(dataset: string, file: string): Rows {
  const folder = join(shared, 'data/clip_vitb32', dataset);
  const info = JSON.parse(readFileSync(join(folder, 'info.json'), 'utf8'));
  const { dtype, shape, data } = parseNpy(readFileSync(join(folder, `${file}.npy`)));
  const values = dtype === 'float16' ? fromHalf(data as Uint16Array) : (data as Float32Array);
  return {
    features: matrix(shape[0]!, shape[1]!, values),
    labels: Int32Array.from(info.files[`${file}.npy`].labels ?? []),
  };
}

export function headOf(dataset: string): TextHead {
  const { features } = load(dataset, 'text');
  const promptClass = Int32Array.from({ length: features.rows }, (_, c) => c);
  return { weights: features, promptFeatures: features, promptClass, logitScale: 100 };
}

export function taskOf(
  dataset: string,
  shots: number,
  classes: number,
  engine: Engine,
  head?: TextHead,
): Task {
  const { features, labels } = load(dataset, `support_${shots}shot`);
  return {
    classes,
    dimension: features.cols,
    support: plainSupport(features, labels),
    head,
    seed: 1,
    engine,
  };
}

/** Number of rows whose own class has the largest score. */
export async function countCorrect(
  engine: Engine,
  id: string,
  state: State,
  task: Task,
  test: Rows,
): Promise<number> {
  const scorer = await createScorer(engine, methodById(id), state, task);
  const scores = await scorer.scores(test.features);
  await scorer.close();
  return test.labels.filter((label, i) => argmax(row(scores, i)) === label).length;
}
