import { existsSync } from 'node:fs';
import { sharedEngine } from '../src/engine/shared.ts';
import type { Engine } from '../src/engine/types.ts';
import { row } from '../src/math/matrix.ts';
import { methodById, type Task } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { resolveOptions } from '../src/options.ts';
import { chooseAutomatically } from '../src/tuning/auto.ts';
import { searchMethod, tuningSetOfFolds } from '../src/tuning/search-method.ts';
import { shareCorrect } from '../src/tuning/share-correct.ts';
import { FEATURES, featureSets, photoSets, type Rows } from './auto-cases.ts';
import { compareRules } from './auto-rules.ts';

const RANGE = { minBeta: 0.5, maxBeta: 60 };

/** Measures `auto` and its parts on real features, tuned on the examples: accuracy / NLL, and seconds for tuning and fitting. */
export async function benchAuto(): Promise<string[]> {
  if (!existsSync(FEATURES)) return [`skipped: no features in ${FEATURES}`];
  const engine = sharedEngine();
  const lines = ['| data | shots | auto | seconds | took | parts |', '| --- | --- | --- | --- | --- | --- |'];
  const only = process.env.BENCH_AUTO?.split(',');
  for (const [name, shots, load] of [...featureSets(), ...photoSets()]) {
    if (only && !only.includes(name) && !only.includes(`${name}:${shots}`)) continue;
    for (const { task, test } of await load()) lines.push(await evaluated(engine, name, shots, task, test));
    console.log(lines.at(-1));
  }
  if (!only || only.some((name) => name.startsWith('rules')))
    lines.push('', ...(await compareRules(engine, only)));
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
    // The search of a cache is measured in `photos`. Here it has its published constants, which the output shows.
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
