import type { Failure, Prediction } from '../classifier/types.ts';
import { probability } from '../report/numbers.ts';
import type { Table } from '../report/table.ts';
import { failureJson } from './print.ts';

/** An answer or an unreadable picture in JSON, with the `top` most probable classes or all. */
export function resultJson(result: Prediction | Failure, top?: number) {
  if (isFailure(result)) return failureJson(result);
  const { ranking, ...answer } = result;
  return { ...answer, ranking: ranking.slice(0, top) };
}

/** Answers for people. Paths are without `folder`, which all pictures share, so that the distinct parts fit the column. */
export function answerTable(rows: readonly Prediction[], top: number, folder: string): Table<Prediction> {
  const others = {
    title: 'Then',
    value: ({ ranking }: Prediction) =>
      ranking
        .slice(1, top)
        .map(({ name, probability: p }) => `${name} ${probability(p)}`)
        .join(', '),
  };
  return {
    rows,
    columns: [
      { title: 'Picture', value: ({ image }) => image.slice(folder.length) },
      { title: 'Answer', value: ({ name, rejected }) => (rejected ? `none of these (${name}?)` : name) },
      { title: 'Sure', value: ({ probability: p }) => probability(p), align: 'right' },
      ...(top > 1 ? [others] : []),
    ],
  };
}

/** Answers for programs. Unreadable pictures also have a row, because a table without them would look complete. */
export function csvTable(
  results: readonly (Prediction | Failure)[],
  top: number,
): Table<Prediction | Failure> {
  const answered =
    (value: (prediction: Prediction) => string) =>
    (result: Prediction | Failure): string =>
      isFailure(result) ? '' : value(result);
  const first = results.find((result): result is Prediction => !isFailure(result));
  const others = [
    ...(first?.sigmoid ? [{ title: 'sigmoid', value: answered(() => 'true') }] : []),
    ...(first?.transductive ? [{ title: 'transductive', value: answered((p) => p.transductive!) }] : []),
    ...(first?.testTime ? [{ title: 'test_time', value: answered((p) => p.testTime!) }] : []),
  ];
  // Every answer ranks all classes.
  const ranks = Array.from({ length: Math.min(top, first?.ranking.length ?? 1) }, (_, i) => i);
  return {
    rows: results,
    columns: [
      { title: 'image', value: ({ image }) => image },
      { title: 'id', value: answered(({ id }) => id) },
      { title: 'name', value: answered(({ name }) => name) },
      { title: 'probability', value: answered(({ probability: p }) => p.toFixed(6)) },
      { title: 'calibrated', value: answered(({ calibrated }) => String(calibrated)) },
      { title: 'rejected', value: answered(({ rejected }) => String(rejected)) },
      ...others,
      ...ranks.slice(1).flatMap((rank) => [
        { title: `name_${rank + 1}`, value: answered(({ ranking }) => ranking[rank]!.name) },
        {
          title: `probability_${rank + 1}`,
          value: answered(({ ranking }) => ranking[rank]!.probability.toFixed(6)),
        },
      ]),
      { title: 'error', value: (result) => (isFailure(result) ? result.error.message : '') },
    ],
  };
}

const isFailure = (result: Prediction | Failure): result is Failure => 'error' in result;

/** The common beginning of all paths, up to a separator. */
export function commonFolder(predictions: readonly Prediction[]): string {
  const [first = [], ...others] = predictions.map(({ image }) => image.split(/(?<=[\\/])/).slice(0, -1));
  const end = first.findIndex((part, i) => others.some((parts) => parts[i] !== part));
  return first.slice(0, end < 0 ? undefined : end).join('');
}
