import { type Classifier, type Evaluation, type FitOptions, fit, type TestSet } from '../classifier/index.ts';
import { readDataset } from '../dataset/read.ts';
import { splitDataset } from '../dataset/split.ts';
import { ARTISTS, sampleThings } from '../dataset/things.ts';
import type { Dataset, Finding } from '../dataset/types.ts';

/** One row of the demo's table. */
export interface DemoRow {
  readonly name: string;
  readonly note: string;
  readonly classifier: Classifier;
  readonly evaluation: Evaluation;
  /** Choosing constants, fitting and scoring the test pictures; encoding is counted apart. */
  readonly seconds: number;
}

interface DemoCurve {
  readonly name: string;
  readonly points: { shots: number; accuracy: number; low: number; high: number }[];
}

export interface DemoResult {
  readonly dataset: Dataset;
  /** What was noticed about the pictures. */
  readonly findings: readonly Finding[];
  readonly source: { pictures: string; licence: string };
  readonly train: number;
  readonly test: TestSet;
  readonly rows: readonly DemoRow[];
  /** The row that is saved. */
  readonly best: DemoRow;
  readonly curves: readonly DemoCurve[];
  /** Reading and encoding all pictures, in seconds. */
  readonly encodeSeconds: number;
}

export interface DemoOptions
  extends Pick<FitOptions, 'encoder' | 'seed' | 'note' | 'ask' | 'onPull' | 'signal'> {
  onProgress?: FitOptions['onProgress'];
}

/** The paper's constants, and the methods it compares, in the order of its argument. */
const VARIANTS = [
  { name: 'Zero-shot', note: 'class names only', values: { method: 'zero-shot' } },
  { name: 'Visual-only cache', note: 'examples only', values: { method: 'visual-only' } },
  {
    name: 'Tip-Adapter, alpha 1 beta 5.5',
    note: "the paper's constants",
    values: { method: 'tip-adapter', tune: 'fixed', alpha: 1, beta: 5.5 },
  },
  {
    name: 'Tip-Adapter, tuned',
    note: 'without a validation set',
    values: { method: 'tip-adapter', tune: 'folds' },
  },
  {
    name: 'Tip-Adapter-F',
    note: 'keys trained for twenty epochs',
    values: { method: 'tip-adapter-f', tune: 'folds' },
  },
  {
    name: 'auto',
    note: 'the default of fit',
    values: { method: 'auto', tune: 'folds' },
  },
] as const;

/** Shots of the curve: doublings up to what the classes have. */
const CURVE_SHOTS = [1, 2, 3, 4, 8, 16];

/** The sample, or a person's own pictures (split by seed where they are not split): encoded once, compared under each method. */
export async function demonstrate(data: string | undefined, options: DemoOptions): Promise<DemoResult> {
  const started = performance.now();
  const seed = options.seed ?? 1;
  const folder = data ?? (await sampleThings({ signal: options.signal, onPackage: namePackage(options) }));
  const dataset = splitDataset(await readDataset(folder, { signal: options.signal }), {
    testFraction: 'auto',
    seed,
  });
  const fitted = await fit(dataset, { ...options, seed, method: 'tip-adapter', tune: 'fixed' });
  const test = await fitted.encodeTestSet(dataset, {
    signal: options.signal,
    onProgress: options.onProgress,
  });
  const encodeSeconds = (performance.now() - started) / 1000;

  const rows: DemoRow[] = [];
  for (const { name, note, values } of VARIANTS) {
    const from = performance.now();
    const classifier = await fitted.refit(values, options);
    const evaluation = await classifier.evaluate(test, { signal: options.signal });
    rows.push({ name, note, classifier, evaluation, seconds: (performance.now() - from) / 1000 });
  }
  const noticed = [...fitted.findings, ...test.findings];
  return {
    dataset,
    findings: [...new Map(noticed.map((finding) => [finding.message, finding])).values()],
    source: data
      ? { pictures: dataset.name, licence: 'your own' }
      : {
          pictures: 'Forty everyday things, each drawn by four artists: three to learn from, one to test on',
          licence: ARTISTS.map(({ name, licence }) => `${name} ${licence}`).join(', '),
        },
    train: fitted.data.examples.length,
    test,
    rows,
    best: rows[rows.length - 1],
    curves: await curvesOf(fitted, test, options.signal),
    encodeSeconds,
  };
}

function namePackage({ note }: DemoOptions): (artist: (typeof ARTISTS)[number]) => void {
  let first = true;
  return (artist) => {
    if (first) note?.('Downloading the sample pictures, 22 MB from the npm registry:');
    first = false;
    note?.(`  ${artist.package} ${artist.version} (${artist.licence})`);
  };
}

async function curvesOf(fitted: Classifier, test: TestSet, signal?: AbortSignal): Promise<DemoCurve[]> {
  const counts = new Map<number, number>();
  for (const label of fitted.data.support.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const shots = CURVE_SHOTS.filter((k) => k <= most);
  return Promise.all(
    VARIANTS.map(async ({ name, values }) => {
      const points: DemoCurve['points'] = [];
      for (const k of shots) {
        const classifier = await fitted.refit({ ...values, shots: k }, { signal });
        const { accuracy, interval } = await classifier.evaluate(test, { signal });
        points.push({ shots: k, accuracy, low: interval[0], high: interval[1] });
      }
      return { name, points };
    }),
  );
}
