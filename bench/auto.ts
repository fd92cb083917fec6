import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskOf } from '../src/classifier/classifier-task.ts';
import { fit } from '../src/classifier/index.ts';
import { readDataset } from '../src/dataset/read.ts';
import { createEngine } from '../src/engine/node.ts';
import type { Engine } from '../src/engine/types.ts';
import { dot, type Matrix, matrixOf, row, selectRows, unitRows } from '../src/math/matrix.ts';
import { methodById, plainSupport, type Task } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { resolveOptions } from '../src/options.ts';
import { parseNpy } from '../src/store/npy.ts';
import { chooseAutomatically } from '../src/tuning/auto.ts';
import { searchMethod, shareCorrect, tuningSetOfFolds } from '../src/tuning/search-method.ts';
import { PHOTOS } from './inputs.ts';

const FEATURES = join(PHOTOS, '../clip_vitb32');
const RANGE = { minBeta: 0.5, maxBeta: 60, maxAlpha: 300 };

interface Rows {
  readonly features: Matrix;
  readonly labels: Int32Array;
}

/** `auto` and its parts on real features, tuned on the examples alone: accuracy / NLL, and seconds for choosing and fitting. */
export async function benchAuto(): Promise<string[]> {
  if (!existsSync(FEATURES)) return [`skipped: no features in ${FEATURES}`];
  const engine = createEngine();
  const lines = ['| data | shots | auto | seconds | took | parts |', '| --- | --- | --- | --- | --- | --- |'];
  const only = process.env.BENCH_AUTO?.split(',');
  for (const [name, shots, load] of [...featureSets(), ...photoSets()]) {
    if (only && !only.includes(name) && !only.includes(`${name}:${shots}`)) continue;
    for (const { task, test } of await load()) lines.push(await evaluated(engine, name, shots, task, test));
    console.log(lines.at(-1));
  }
  await engine.close();
  return lines;
}

async function evaluated(
  engine: Engine,
  name: string,
  shots: number,
  task: Task,
  test: Rows,
): Promise<string> {
  const started = performance.now();
  const tuningSet = tuningSetOfFolds(task);
  const { method, options, choice } = await chooseAutomatically(engine, task, RANGE, { tuningSet });
  const auto = await measure(engine, method, options, task, test, choice.temperature);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const parts: string[] = [];
  const once = ['anchored', 'proker', 'prototype', 'tip-adapter', 'zero-shot'];
  for (const id of choice.compared?.map(({ method: each }) => each) ?? once) {
    if (id === 'stack' || (methodById(id).needs.includes('text') && !task.head)) continue;
    const found = tuningSet && (await searchMethod(engine, methodById(id), task, tuningSet));
    const { text } = await measure(engine, id, found?.options ?? {}, task, test, found?.temperature ?? 1);
    // A cache is searched elsewhere (`photos`); here it stands with its published constants, and says so.
    parts.push(`${id}${methodById(id).votes ? ' (1, 5.5)' : ''} ${text}`);
  }
  const took = Object.entries((options.parts ?? { [method]: options }) as object)
    .map(
      ([id, { share, options: own, ...rest }]) =>
        `${id} ${share?.toFixed(2) ?? ''} ${JSON.stringify(own ?? rest)}`,
    )
    .join(' + ');
  return `| ${name} | ${shots} | ${auto.text} | ${seconds} | ${took} | ${parts.join(', ')} |`;
}

async function measure(
  engine: Engine,
  id: string,
  options: Readonly<Record<string, unknown>>,
  task: Task,
  test: Rows,
  temperature: number,
) {
  const method = methodById(id);
  const state = await method.fit({ ...task, engine }, resolveOptions(method.options, options));
  const scorer = await createScorer(engine, method, state, task);
  const scores = await scorer.scores(test.features);
  await scorer.close();
  const accuracy = 100 * shareCorrect(scores, test.labels);
  let nll = 0;
  for (let i = 0; i < scores.rows; i++) {
    const values = Float64Array.from(row(scores, i), (x) => x / temperature);
    const top = Math.max(...values);
    nll += top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0)) - values[test.labels[i]!]!;
  }
  return { accuracy, text: `${accuracy.toFixed(2)} / ${(nll / scores.rows).toFixed(3)}` };
}

type Case = [string, number, () => Promise<{ task: Task; test: Rows }[]>];

function featureSets(): Case[] {
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

/** Rows that show none of the support's pictures: a cosine of 0.97 with one of its class is the same picture. */
function unlike(rows: Rows, support: Rows): Rows {
  const [a, b] = [unitRows(rows.features), unitRows(support.features)];
  const same = (i: number) =>
    support.labels.some((label, j) => label === rows.labels[i] && dot(row(a, i), row(b, j)) >= 0.97);
  const kept = [...rows.labels.keys()].filter((i) => !same(i));
  return { features: selectRows(rows.features, kept), labels: Int32Array.from(kept, (i) => rows.labels[i]!) };
}

function rowsOf(dataset: string, file: string): Rows {
  const info = JSON.parse(readFileSync(join(FEATURES, dataset, 'info.json'), 'utf8'));
  const labels = Int32Array.from(info.files[`${file}.npy`].labels);
  return { features: matrixOf(parseNpy(readFileSync(join(FEATURES, dataset, `${file}.npy`)))), labels };
}

/** Photos with the built-in encoder, three draws each. */
function photoSets(): Case[] {
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
