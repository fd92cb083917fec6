import { isDeepStrictEqual } from 'node:util';
import type { FeatureStream } from '../dataset/row-blocks.ts';
import type { Finding } from '../dataset/types.ts';
import type { Engine } from '../engine/types.ts';
import type { Method, SummaryForm } from '../methods/method.ts';
import type { Samples } from '../methods/samples.ts';
import { sumFormOf } from '../methods/summarise.ts';
import type { Sums } from '../methods/summary.ts';
import type { Task } from '../methods/task.ts';
import type { Options, ValuesOf } from '../options.ts';
import type { FitWatch } from './learn.ts';
import { createCollection, createDraw, divided, drawnOf, leftOutOf } from './left-out-rows.ts';
import type { RowSums } from './row-sum.ts';
import { eachBlock, type SummaryTask, type SumRows, sumParts } from './row-sums.ts';

type Values = ValuesOf<Options>;

/** The rows of a folder of features for a fit from a summary, which are read as often as it is asked for, with the progress of each reading. */
export function createReading(
  stream: FeatureStream,
  source: Pick<SummaryTask, 'folder' | 'origin' | 'seed'>,
  {
    method,
    task,
    watch,
  }: { method: Method; task: Task & { engine: Engine }; watch: FitWatch & { sumRows?: SumRows } },
) {
  const { parts, rows } = stream;
  const { dimension } = task;
  const isLeftOut = leftOutOf(rows, source.seed);
  const findings: Finding[] = [];
  let passes = 0;
  const pass = () => {
    passes++;
    return {
      signal: watch.signal,
      onRows: (done: number) => watch.onFit?.({ done, total: rows, unit: 'row' }),
    };
  };
  const here: SumRows = ({ options, pass, basis, seed }, own) =>
    sumParts(
      {
        ...{ form: sumFormOf(method, options, pass), method: method.id, pass, rows, seed },
        what: { task, options, basis },
      },
      parts,
      { engine: task.engine, ...own },
    );
  const sumRows = watch.sumRows ?? here;
  return {
    passes: () => passes,
    findings,
    /** The sums of the rows that are not left out, and the rows that are. */
    async sums(options: Values, basis: Sums['basis'], name?: string): Promise<RowSums> {
      const { findings: own = [], ...summed } = await sumRows(
        { ...source, options, basis, pass: name },
        pass(),
      );
      for (const finding of own)
        if (!findings.some((known) => isDeepStrictEqual(known, finding))) findings.push(finding);
      return summed;
    },
    /** The basis that rows are compared with, such as centres of clusters. It is chosen from a draw of the rows that are not left out. */
    async basisOf(form: SummaryForm, options: Values): Promise<Sums['basis']> {
      if (!form.basis) return {};
      const draw = createDraw(task.classes, form.basis.sample(options), task.seed);
      await eachBlock(parts, pass(), (block) => draw.add(divided(block, isLeftOut).rest));
      return form.basis.choose(draw.samples(dimension), task, options);
    },
    /** About `most` rows that are not left out, drawn at random. They are the same whatever reads them. */
    async drawn(most: number): Promise<Samples> {
      const isDrawn = drawnOf(most, rows, task.seed);
      const collection = createCollection(dimension);
      await eachBlock(parts, pass(), (block) =>
        collection.add(divided(divided(block, isLeftOut).rest, isDrawn).left),
      );
      return collection.samples();
    },
  };
}

export type Reading = ReturnType<typeof createReading>;
