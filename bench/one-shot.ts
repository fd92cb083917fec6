import { existsSync } from 'node:fs';
import { sharedEngine } from '../src/engine/shared.ts';
import { softmaxRows } from '../src/math/matrix.ts';
import { methodById } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { accuracy, meanInterval, negativeLogLikelihood } from '../src/metrics/index.ts';
import { resolveOptions } from '../src/options.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { fitWeightsInTurns } from '../src/tuning/scale.ts';
import { FEATURES } from './auto-cases.ts';
import { problems } from './auto-rules.ts';

/** Closed forms with text, with the constants they have if nothing can be left out. */
const METHODS = ['zero-shot', 'tip-adapter', 'tip-x', 'ape', 'proker', 'rehark', 'whitened'];

/** Closed forms at one shot on the data sets with names: accuracy over three draws, and NLL at the temperature that is best on the test rows. */
export async function benchOneShot(): Promise<string[]> {
  if (!existsSync(FEATURES)) return [`skipped: no features in ${FEATURES}`];
  const engine = sharedEngine();
  const rows: { set: string; cells: string[] }[] = [];
  for (const [set, load] of problems(1)) {
    const draws = (await load()).filter(({ task }) => task.head);
    if (draws.length === 0) continue;
    const cells: string[] = [];
    for (const id of METHODS) {
      const method = methodById(id);
      const shares: number[] = [];
      let nll = 0;
      for (const { task, test } of draws) {
        const state = await method.fit({ ...task, engine }, resolveOptions(method.options, {}));
        const scorer = await createScorer(engine, method, state, task);
        const scores = await scorer.scores(test.features).finally(() => scorer.close());
        shares.push(100 * accuracy(scores, test.labels).accuracy);
        const { b } = await fitWeightsInTurns(undefined, scores, test.labels);
        nll += negativeLogLikelihood(softmaxRows(scores, 1 / b), test.labels) / draws.length;
      }
      const { mean, interval } = meanInterval(shares);
      cells.push(`${mean.toFixed(2)} ±${(interval[1] - mean).toFixed(1)} / ${nll.toFixed(3)}`);
    }
    rows.push({ set, cells });
    console.log(`${set}: ${cells.join(', ')}`);
  }
  const columns = METHODS.map((title, k) => ({
    title,
    value: ({ cells }: (typeof rows)[0]) => cells[k]!,
  }));
  return renderMarkdown({ rows, columns: [{ title: 'data', value: ({ set }) => set }, ...columns] }).split(
    '\n',
  );
}
