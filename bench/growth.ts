import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { watchMemory } from '../src/bench/peak-memory.ts';
import { encodeImages } from '../src/encoder/encode.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { createEngine } from '../src/engine/node.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { createImageLoader } from '../src/image/loader.ts';
import { methodById } from '../src/methods/index.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { searchMethod, tuningSetOfFolds } from '../src/tuning/search-method.ts';
import { type Growth, growthChart } from './growth-chart.ts';
import { hasTinyClip, photoPaths, tinyClip } from './inputs.ts';
import { median } from './measure.ts';
import { noiseTask, unitNoise } from './noise.ts';
import { tipAdapter } from './score.ts';

const BUILTIN = 'resnet50-minilm';
const CHART = join(import.meta.dirname, '../docs/images/growth.svg');
const [QUERIES, ROUNDS] = [64, 5];

/** What grows, with its values, what the time is of, and one measurement of it in milliseconds. */
interface Curve {
  readonly title: string;
  readonly time: string;
  readonly values: readonly number[];
  measure(value: number): Promise<number>;
}

const CURVES: Record<string, Curve> = {
  keys: {
    title: 'keys (100 classes x 512)',
    time: `scoring ${QUERIES} queries`,
    values: [1e3, 1e4, 1e5, 1e6],
    measure: (keys) => scoring(keys, 100, 512),
  },
  classes: {
    title: 'classes (one key each x 512)',
    time: `scoring ${QUERIES} queries`,
    values: [10, 100, 1e3, 1e4, 1e5],
    measure: (classes) => scoring(classes, classes, 512),
  },
  dimensions: {
    title: 'numbers of a feature (16,000 keys, 1,000 classes)',
    time: `scoring ${QUERIES} queries`,
    values: [64, 256, 1024, 4096],
    measure: (dimension) => scoring(16_000, 1000, dimension),
  },
  shots: {
    title: 'shots (100 classes x 512)',
    time: 'choosing alpha and beta by left-out shots',
    values: [2, 4, 8, 16, 32, 64, 128],
    measure: (shots) => choosing(shots),
  },
  pictures: {
    title: `pictures (${hasTinyClip ? 'tiny CLIP' : BUILTIN})`,
    time: 'decoding and encoding',
    values: [100, 1e3, 1e4],
    measure: (pictures) => encoding(pictures),
  },
};

/**
 * Time and memory against the numbers of keys, classes, numbers of a feature, shots and pictures. Each point is measured in a process of its own.
 * `--write` also draws the curves in docs/images/growth.svg.
 */
export async function benchGrowth(flags: readonly string[]): Promise<string[]> {
  const drawn: Growth[] = [];
  for (const [name, { title, time, values }] of Object.entries(CURVES)) {
    const points = values.map((value) => ({ value, ...point(name, value) }));
    console.log([`${title}; time of ${time}`, '', table(name, points), ''].join('\n'));
    drawn.push({ title, time, points });
  }
  if (!flags.includes('--write')) return [];
  writeFileSync(CHART, growthChart(drawn));
  return [`Wrote ${CHART}`];
}

type Point = Growth['points'][number];

function point(name: string, value: number): Omit<Point, 'value'> {
  const part = [...process.execArgv, process.argv[1]!, '--part', 'growth', name, String(value)];
  const { status, stdout, stderr } = spawnSync(process.execPath, part, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ${value}: ${stderr}`);
  return JSON.parse(stdout);
}

/** The last column is the exponent between a point and the one before: 1 is in proportion, 0 is constant. */
function table(counted: string, points: readonly Point[]): string {
  const rows = points.map((now, i) => ({ now, before: points[i - 1] }));
  const number = (value: number) => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
  return renderMarkdown({
    rows,
    columns: [
      { title: counted, value: ({ now }) => number(now.value) },
      { title: 'ms', value: ({ now }) => number(now.ms) },
      { title: 'peak MiB', value: ({ now }) => number(now.mib) },
      {
        title: 'exponent of the time',
        value: ({ now, before }) =>
          before ? (Math.log(now.ms / before.ms) / Math.log(now.value / before.value)).toFixed(2) : '',
      },
    ],
  });
}

/** One point, in this process. */
export async function growthPart(name: string, value: string): Promise<string[]> {
  const peak = watchMemory();
  const ms = await CURVES[name]!.measure(Number(value));
  await sharedEngine().close();
  return [JSON.stringify({ ms, mib: peak() })];
}

/** Median of several runs after one warm-up. */
async function timed(work: () => Promise<unknown>, rounds = ROUNDS): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now();
    await work();
    if (round > 0) times.push(performance.now() - start);
  }
  return median(times);
}

async function scoring(keys: number, classes: number, dimension: number): Promise<number> {
  const engine = createEngine();
  const queries = unitNoise(QUERIES, dimension);
  const scorer = await tipAdapter(engine, unitNoise(keys, dimension), (i) => i % classes, classes);
  const ms = await timed(() => scorer.scores(queries));
  await scorer.close();
  await engine.close();
  return ms;
}

async function choosing(shots: number): Promise<number> {
  const classes = 100;
  const task = noiseTask(unitNoise(classes * shots, 512), (i) => i % classes, classes);
  const tuningSet = tuningSetOfFolds(task);
  if (!tuningSet) throw new Error('one shot cannot be left out');
  return timed(() => searchMethod(sharedEngine(), methodById('tip-adapter'), task, tuningSet), 3);
}

async function encoding(pictures: number): Promise<number> {
  const tiny = tinyClip();
  const encoder = await loadEncoder(tiny?.folder ?? BUILTIN);
  const { paths } = await photoPaths(pictures);
  const items = paths.map((path) => ({ id: path, read: async () => readFileSync(path) }));
  const loader = createImageLoader();
  // The processes that decode start with the first pictures.
  await encodeImages(encoder, items.slice(0, 16), { loader });
  const start = performance.now();
  await encodeImages(encoder, items, { loader });
  const ms = performance.now() - start;
  await loader.close();
  await encoder.close();
  tiny?.done();
  return ms;
}
