import type { Engine } from '../src/engine/types.ts';
import { type Matrix, selectRows, softmaxRows, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { methodById, plainSupport, type Task } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import type { StackPart } from '../src/methods/stack.ts';
import { selectExamples } from '../src/methods/task.ts';
import {
  accuracy,
  expectedCalibrationError,
  meanInterval,
  negativeLogLikelihood,
} from '../src/metrics/index.ts';
import { resolveOptions } from '../src/options.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { type AutoChoice, chooseAutomatically } from '../src/tuning/auto.ts';
import { tuningSetOfFolds } from '../src/tuning/search-method.ts';
import { type Case, photoSets, type Rows, rowsOf, unlike } from './auto-cases.ts';

const RANGE = { minBeta: 0.5, maxBeta: 60 };
const DRAWS = [1, 2, 3];

/** Two halves of the data sets. A rule chosen on one half is evaluated on the other. */
const HALVES: Readonly<Record<string, readonly string[]>> = {
  A: ['stanford_cars', 'stanford_cars without names', 'dtd', 'photos/eurosat', 'photos/food10'],
  B: ['imagenet25', 'imagenet100', 'caltech101', 'photos/caltech101', 'photos/dtd10'],
};

/** Candidate rules for one and two shots: the whitened cosine, the choice of `auto` among the others, or both, with weights for names. */
const RULES: Readonly<Record<string, (parts: Parts) => Matrix>> = {
  others: ({ others }) => others,
  whitened: ({ whitened }) => whitened,
  pooled: ({ whitened, others }) => mean(whitened, others),
  auto: ({ hasNames, whitened, others }) => (hasNames ? mean(whitened, others) : whitened),
  'pooled, names 1': ({ loud, others }) => mean(loud, others),
  'pooled, names 1/3': ({ quiet, others }) => mean(quiet, others),
};

/** Log-odds of the test rows, [q, c]. */
interface Parts {
  readonly hasNames: boolean;
  readonly others: Matrix;
  readonly whitened: Matrix;
  readonly loud: Matrix;
  readonly quiet: Matrix;
}

interface Figures {
  readonly accuracy: number;
  readonly nll: number;
  readonly ece: number;
}

interface Row {
  readonly set: string;
  readonly cells: readonly (readonly Figures[])[];
}

/** Prints the rules at one and two shots on each data set, and the cross-check with both halves. */
export async function compareRules(engine: Engine, only: readonly string[] = []): Promise<string[]> {
  const named = only.flatMap((name) => name.match(/^rules:(.+)/)?.slice(1) ?? []);
  const lines: string[] = [];
  for (const shots of [1, 2]) {
    const rows: Row[] = [];
    for (const [set, load] of problems(shots)) {
      if (named.length > 0 && !named.includes(set)) continue;
      const cells: Figures[][] = [];
      for (const { task, test } of await load()) {
        const parts = await partsOf(engine, task, test.features);
        cells.push(Object.values(RULES).map((rule) => figures(rule(parts), test.labels)));
      }
      rows.push({ set, cells });
      console.log(lineOf(rows.at(-1) as Row));
    }
    lines.push(`${shots} of each class: accuracy in percent (95% interval over draws) / NLL / ECE`, '');
    lines.push(renderMarkdown({ rows, columns: columns() }), '', ...crossCheck(rows), '');
  }
  return lines;
}

const lineOf = ({ set, cells }: Row) =>
  `${set}: ${Object.keys(RULES)
    .map((rule, k) => `${rule} ${cell(cells.map((each) => each[k]!))}`)
    .join(', ')}`;

function columns() {
  return [
    { title: 'data', value: ({ set }: Row) => set },
    ...Object.keys(RULES).map((title, k) => ({
      title,
      value: ({ cells }: Row) => cell(cells.map((each) => each[k]!)),
    })),
  ];
}

function cell(draws: readonly Figures[]): string {
  const { mean: middle, interval } = meanInterval(draws.map((each) => each.accuracy));
  const average = (name: 'nll' | 'ece') => draws.reduce((sum, each) => sum + each[name], 0) / draws.length;
  const reach = draws.length > 1 ? ` ±${(interval[1] - middle).toFixed(1)}` : '';
  return `${middle.toFixed(2)}${reach} / ${average('nll').toFixed(3)} / ${average('ece').toFixed(3)}`;
}

/** The rule with the least mean NLL on one half, compared on the other half with the shipped rule (`auto`) and with the others alone. */
function crossCheck(rows: readonly Row[]): string[] {
  const names = Object.keys(RULES);
  const shipped = names.indexOf('auto');
  return Object.keys(HALVES).map((half) => {
    const [own, other] = [true, false].map((is) =>
      rows.filter(({ set }) => HALVES[half]!.includes(set) === is),
    );
    const nll = (set: readonly Row[], k: number) =>
      set.reduce((sum, { cells }) => sum + cells.reduce((x, each) => x + each[k]!.nll / cells.length, 0), 0) /
      set.length;
    const best = names
      .map((_, k) => nll(own!, k))
      .reduce((least, x, k, all) => (x < all[least]! ? k : least), 0);
    const gain = (k: number) => {
      const { mean: middle, interval } = meanInterval(
        other!.map(({ cells }) =>
          cells.reduce((x, each) => x + (each[k]!.accuracy - each[0]!.accuracy) / cells.length, 0),
        ),
      );
      return `${names[k]}: accuracy ${middle >= 0 ? '+' : ''}${middle.toFixed(2)} (${interval.map((x) => x.toFixed(2)).join(' to ')}) against the others alone, NLL ${nll(other!, k).toFixed(3)} against ${nll(other!, 0).toFixed(3)}`;
    };
    return `chosen on half ${half}: ${names[best]}. On the other half ${gain(best)}; shipped, ${gain(shipped)}`;
  });
}

async function partsOf(engine: Engine, task: Task, queries: Matrix): Promise<Parts> {
  const chosen = await chooseAutomatically(engine, task, RANGE, { tuningSet: tuningSetOfFolds(task) });
  const of = (choice: AutoChoice) => logOdds(engine, task, choice, queries);
  const alone = (options: object): AutoChoice => ({
    ...chosen,
    method: 'whitened',
    options: { ...options },
    choice: { ...chosen.choice, temperature: 1 },
  });
  const { whitened: part, ...rest } = (chosen.options.parts ?? {}) as Record<string, StackPart>;
  const whitened = await of(alone(part?.options ?? chosen.options));
  if (!part) {
    const others = await of({ ...alone({}), method: 'anchored' });
    return { hasNames: false, others, whitened, loud: whitened, quiet: whitened };
  }
  // The second part of the pool, with its own temperature.
  const share = Object.values(rest).reduce((sum, each) => sum + each.share, 0);
  const parts = Object.fromEntries(
    Object.entries(rest).map(([id, each]) => [id, { ...each, share: each.share / share }]),
  );
  const temperature = chosen.choice.temperature / (2 * share);
  const others = await of({ ...chosen, options: { parts }, choice: { ...chosen.choice, temperature } });
  return {
    hasNames: true,
    others,
    whitened,
    loud: await of(alone({ names: 1 })),
    quiet: await of(alone({ names: 1 / 3 })),
  };
}

async function logOdds(
  engine: Engine,
  task: Task,
  { method: id, options, choice }: AutoChoice,
  queries: Matrix,
): Promise<Matrix> {
  const method = methodById(id);
  const state = await method.fit({ ...task, engine }, resolveOptions(method.options, options));
  const scorer = await createScorer(engine, method, state, task);
  const scores = await scorer.scores(queries).finally(() => scorer.close());
  return { ...scores, data: scores.data.map((x) => x / choice.temperature) };
}

function mean(x: Matrix, y: Matrix): Matrix {
  return { ...x, data: x.data.map((value, at) => (value + y.data[at]!) / 2) };
}

function figures(scores: Matrix, labels: Int32Array): Figures {
  const probabilities = softmaxRows(scores);
  return {
    accuracy: 100 * accuracy(scores, labels).accuracy,
    nll: negativeLogLikelihood(probabilities, labels),
    ece: expectedCalibrationError(probabilities, labels),
  };
}

type Load = Case[2];

export function problems(shots: number): [string, Load][] {
  const drawn =
    (set: string, pool: string, test: string, text?: string): Load =>
    async () =>
      DRAWS.map((seed) => {
        const rows = rowsOf(set, pool);
        const classes = Math.max(...rows.labels) + 1;
        const order = random('draw', seed).shuffle([...rows.labels.keys()]);
        const examples = Array.from({ length: classes }, (_, c) =>
          order.filter((i) => rows.labels[i] === c).slice(0, shots),
        ).flat();
        return {
          task: taskOf(rows, examples, classes, text ? rowsOf(set, text).features : undefined),
          test: rowsOf(set, test),
        };
      });
  /** Some classes of ImageNet. Rows that are not drawn are test rows. */
  const imagenet =
    (count: number): Load =>
    async () => {
      const rows = rowsOf('imagenet', 'support_4shot');
      const text = rowsOf('imagenet', 'text').features;
      return DRAWS.map((seed) => {
        const { shuffle } = random('classes', seed);
        const classes = shuffle([...Array(text.rows).keys()]).slice(0, count);
        const own = classes.map((c) => shuffle([...rows.labels.keys()].filter((i) => rows.labels[i] === c)));
        const relabelled = (chosen: readonly number[][]): Rows => ({
          features: selectRows(rows.features, chosen.flat()),
          labels: Int32Array.from(chosen.flatMap((each, c) => each.map(() => c))),
        });
        const support = relabelled(own.map((each) => each.slice(0, shots)));
        const task = taskOf(support, [...support.labels.keys()], count, selectRows(text, classes));
        return { task, test: unlike(relabelled(own.map((each) => each.slice(shots))), support) };
      });
    };
  const photos = photoSets().flatMap(([name, k, load]): [string, Load][] =>
    k === shots ? [[name, load]] : [],
  );
  return [
    ['stanford_cars', drawn('stanford_cars', 'support_16shot', 'val', 'text')],
    ['stanford_cars without names', drawn('stanford_cars', 'support_16shot', 'val')],
    ['caltech101', drawn('caltech101', 'support_16shot', 'test')],
    ['dtd', drawn('dtd', 'val', 'test')],
    ['imagenet25', imagenet(25)],
    ['imagenet100', imagenet(100)],
    ...photos,
  ];
}

function taskOf(
  { features, labels }: Rows,
  examples: readonly number[],
  classes: number,
  text?: Matrix,
): Task {
  const promptClass = Int32Array.from({ length: classes }, (_, c) => c);
  return {
    classes,
    dimension: features.cols,
    support: selectExamples(plainSupport(features, labels), examples),
    head: text && { weights: unitRows(text), promptFeatures: text, promptClass, logitScale: 100 },
    seed: 1,
  };
}
