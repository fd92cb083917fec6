import { existsSync } from 'node:fs';
import {
  checkNames,
  TEST_TIME,
  TEST_TIME_IDS,
  TRANSDUCTIVE,
  TRANSDUCTIVE_IDS,
} from '../src/adaptation/index.ts';
import type { TestTimeMethod, TransductiveMethod } from '../src/adaptation/method.ts';
import { fitWanted } from '../src/classifier/model-selection.ts';
import { CLIP_DEFAULTS } from '../src/encoder/registry.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { UsageError } from '../src/errors.ts';
import { argmax, type Matrix, matrix, row, selectRows, softmaxRows, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { methodById, plainSupport, type Task } from '../src/methods/index.ts';
import { createScorer } from '../src/methods/score.ts';
import { expectedCalibrationError, negativeLogLikelihood } from '../src/metrics/index.ts';
import { resolveOptions } from '../src/options.ts';
import { FEATURES, featureSets, type Rows } from './auto-cases.ts';

/** Classifiers that methods without labels are put on top of. Zero-shot is measured once for each data set. */
const BASES = ['zero-shot', 'tip-adapter', 'auto'];
const SHOTS = [1, 4, 16];
/** Folders of few classes: the number of classes in each, and the number of folders. */
const FEW = { classes: 5, draws: 10 };
/** EM-Dirichlet costs the square of the number of classes. */
const MOST_CLASSES = 200;

/** A method without labels with values of its options, as it stands in the table. */
interface Variant {
  readonly title: string;
  readonly id: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

const VARIANTS: readonly Variant[] = [
  ...TRANSDUCTIVE_IDS.map((id) => ({ title: TRANSDUCTIVE[id].name, id })),
  ...TEST_TIME_IDS.map((id) => ({ title: TEST_TIME[id].name, id })),
];
/** Where all classes occur, EM-Dirichlet is also told so. */
const ALL_CLASSES: Variant = {
  title: 'EM-Dirichlet, all classes expected',
  id: 'em-dirichlet',
  options: { present: MOST_CLASSES },
};

/**
 * Measures transductive and test-time methods on top of classifiers, on real features: accuracy in percent / NLL / calibration error. A stream
 * has the test rows in one random order. `BENCH_ADAPTATION=stanford_cars,imagenet` measures
 * some data sets only.
 */
export async function benchAdaptation(): Promise<string[]> {
  if (!existsSync(FEATURES)) return [`skipped: no features in ${FEATURES}`];
  const only = process.env.BENCH_ADAPTATION?.split(',');
  const cases = featureSets().filter(
    ([name, shots]) => SHOTS.includes(shots) && (!only || only.includes(name)),
  );
  for (const [name, shots, load] of cases) {
    const [problem] = await load();
    const bases = BASES.filter((base) => problem!.task.head || base === 'auto');
    for (const base of bases) {
      if (base === 'zero-shot' && shots > SHOTS[0]!) continue;
      await tell(`${name}, ${base}${base === 'zero-shot' ? '' : `, ${shots} shots`}`, base, problem!);
    }
    const few = name === 'stanford_cars' && (shots === 1 ? 'zero-shot' : shots === 4 ? 'auto' : undefined);
    if (few) await tellFew(few === 'zero-shot' ? few : `${few}, ${shots} shots`, few, problem!);
  }
  return [];
}

type Problem = { task: Task; test: Rows };

async function tell(title: string, base: string, { task, test }: Problem): Promise<void> {
  const order = random('order').shuffle([...test.labels.keys()]);
  const rows = {
    features: selectRows(test.features, order),
    labels: Int32Array.from(order, (i) => test.labels[i]!),
  };
  const { task: own, logits } = await classifier(base, task, rows.features);
  console.log(`\n${title}: ${measures(softmaxRows(logits), rows.labels)}`);
  for (const variant of [...VARIANTS, ALL_CLASSES]) {
    if (variant.id === 'em-dirichlet' && own.classes > MOST_CLASSES) continue;
    const started = performance.now();
    const answers = await adapted(variant, own, unitRows(rows.features), logits);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (answers) console.log(`  ${variant.title}: ${measures(answers, rows.labels)}, ${seconds} s`);
  }
}

/** The mean accuracy over folders that hold all test rows of few classes. */
async function tellFew(title: string, base: string, { task, test }: Problem): Promise<void> {
  const { task: own, logits } = await classifier(base, task, test.features);
  const unit = unitRows(test.features);
  const correct = new Map<string, { right: number; all: number }>();
  const count = (name: string, answers: Matrix, labels: Int32Array) => {
    const counts = correct.get(name) ?? { right: 0, all: 0 };
    counts.all += labels.length;
    counts.right += labels.filter((label, i) => argmax(row(answers, i)) === label).length;
    correct.set(name, counts);
  };
  for (let draw = 0; draw < FEW.draws; draw++) {
    const all = Array.from({ length: own.classes }, (_, c) => c);
    const classes = new Set(random('few', draw).shuffle(all).slice(0, FEW.classes));
    const drawn = [...test.labels.keys()].filter((i) => classes.has(test.labels[i]!));
    const chosen = random('order', draw).shuffle(drawn);
    const labels = Int32Array.from(chosen, (i) => test.labels[i]!);
    const [features, ownLogits] = [selectRows(unit, chosen), selectRows(logits, chosen)];
    count('alone', ownLogits, labels);
    for (const variant of VARIANTS) {
      const answers = await adapted(variant, own, features, ownLogits);
      if (answers) count(variant.title, answers, labels);
    }
  }
  console.log(`\nstanford_cars, folders of ${FEW.classes} classes, ${title}`);
  for (const [name, { right, all }] of correct)
    console.log(`  ${name}: ${((100 * right) / all).toFixed(2)} of ${all}`);
}

/** The task and the logits [m, c] of a fitted classifier. Zero-shot has no examples. */
async function classifier(
  base: string,
  given: Task,
  features: Matrix,
): Promise<{ task: Task; logits: Matrix }> {
  const engine = sharedEngine();
  const none = plainSupport(matrix(0, given.dimension), []);
  const task = { ...given, engine, support: base === 'zero-shot' ? none : given.support };
  const wanted = { method: base, tune: base === 'zero-shot' ? 'fixed' : 'folds' } as const;
  const { method, state, choice } = await fitWanted(engine, task, wanted, { defaults: CLIP_DEFAULTS });
  const scorer = await createScorer(engine, methodById(method), state, task);
  const scores = await scorer.scores(features);
  await scorer.close();
  return {
    task,
    logits: matrix(
      scores.rows,
      scores.cols,
      scores.data.map((score) => score / choice.temperature),
    ),
  };
}

/** The probabilities [m, c] of a method without labels, or undefined if the classifier has no names and it needs them. */
async function adapted(
  { id, options = {} }: Variant,
  task: Task,
  features: Matrix,
  logits: Matrix,
): Promise<Matrix | undefined> {
  const together = (TRANSDUCTIVE as Record<string, TransductiveMethod>)[id];
  const stream = (TEST_TIME as Record<string, TestTimeMethod>)[id];
  const method = (together ?? stream)!;
  const values = resolveOptions(method.options, options);
  try {
    checkNames(method, task);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
  if (together) return together.probabilities({ task, features, logits }, values, { engine: sharedEngine() });
  const memory = stream!.start(task, values);
  const out = matrix(logits.rows, logits.cols);
  for (let i = 0; i < out.rows; i++)
    row(out, i).set(memory.next({ feature: row(features, i), logits: row(logits, i) }));
  return out;
}

function measures(probabilities: Matrix, labels: Int32Array): string {
  const right = labels.filter((label, i) => argmax(row(probabilities, i)) === label).length;
  const nll = negativeLogLikelihood(probabilities, labels);
  const ece = expectedCalibrationError(probabilities, labels);
  return `${((100 * right) / labels.length).toFixed(2)} / ${nll.toFixed(2)} / ${ece.toFixed(2)}`;
}
