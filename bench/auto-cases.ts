import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskOf } from '../src/classifier/classifier-task.ts';
import { fit } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { dot, type Matrix, matrixOf, row, selectRows, unitRows } from '../src/math/matrix.ts';
import { plainSupport, type Task } from '../src/methods/index.ts';
import { parseNpy } from '../src/store/npy.ts';
import { PHOTOS } from './inputs.ts';

export const FEATURES = join(PHOTOS, '../clip_vitb32');

/** Features with their classes. */
export interface Rows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/** Name of the data, shots, and a function that loads one problem for each draw. */
export type Case = [string, number, () => Promise<{ task: Task; test: Rows }[]>];

/** Features of CLIP ViT-B/32, with one draw for each data set. */
export function featureSets(): Case[] {
  const cases: Case[] = [];
  for (const [name, test, shots, text] of [
    ['stanford_cars', 'val', [1, 2, 4, 8, 16], true],
    ['imagenet', 'support_4shot', [1, 2], true],
    ['caltech101', 'test', [1, 2, 4, 8, 16], false],
  ] as const) {
    for (const k of shots) {
      cases.push([
        name,
        k,
        async () => {
          const support = rowsOf(name, `support_${k}shot`);
          const head = text ? rowsOf(name, 'text').features : undefined;
          const classes = head?.rows ?? Math.max(...support.labels) + 1;
          const promptClass = Int32Array.from({ length: classes }, (_, c) => c);
          const task: Task = {
            classes,
            dimension: support.features.cols,
            support: plainSupport(support.features, support.labels),
            head: head && { weights: unitRows(head), promptFeatures: head, promptClass, logitScale: 100 },
            seed: 1,
          };
          const held = rowsOf(name, test);
          return [{ task, test: name === 'imagenet' ? unlike(held, support) : held }];
        },
      ]);
    }
  }
  return cases;
}

/** Rows without pictures of the support set: rows with a cosine of 0.97 or more to an example of their class count as the same picture. */
export function unlike(rows: Rows, support: Rows): Rows {
  const [a, b] = [unitRows(rows.features), unitRows(support.features)];
  const same = (i: number) =>
    support.labels.some((label, j) => label === rows.labels[i] && dot(row(a, i), row(b, j)) >= 0.97);
  const kept = [...rows.labels.keys()].filter((i) => !same(i));
  return { features: selectRows(rows.features, kept), labels: Int32Array.from(kept, (i) => rows.labels[i]!) };
}

export function rowsOf(dataset: string, file: string): Rows {
  const info = JSON.parse(readFileSync(join(FEATURES, dataset, 'info.json'), 'utf8'));
  const labels = Int32Array.from(info.files[`${file}.npy`].labels ?? []);
  return { features: matrixOf(parseNpy(readFileSync(join(FEATURES, dataset, `${file}.npy`)))), labels };
}

/** Photos with the built-in encoder, with three draws for each data set. */
export function photoSets(): Case[] {
  if (!existsSync(PHOTOS)) return [];
  return ['caltech101', 'eurosat', 'dtd10', 'food10'].flatMap((name) =>
    [1, 2, 4, 8, 16].map(
      (shots): Case => [
        `photos/${name}`,
        shots,
        async () => {
          const dataset = await readDataset(join(PHOTOS, name));
          const fitted = await fit(dataset, {
            encoder: 'resnet50-minilm',
            method: 'zero-shot',
            thumbnails: false,
          });
          const test = await fitted.encodeTestSet(dataset);
          const cases = [];
          for (const seed of [1, 2, 3]) {
            const { data } = await fitted.refit({ method: 'zero-shot', shots, seed });
            cases.push({
              task: taskOf(data),
              test: { features: test.features, labels: Int32Array.from(test.truth, ({ label }) => label) },
            });
          }
          await fitted.close();
          return cases;
        },
      ],
    ),
  );
}
