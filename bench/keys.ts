import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeClassifier } from '../src/classifier/file.ts';
import { load } from '../src/classifier/index.ts';
import { rounded } from '../src/classifier/rounding.ts';
import type { ClassifierData } from '../src/classifier/types.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import { matrix, row, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { plainSupport } from '../src/methods/task.ts';
import { headFromPrompts } from '../src/methods/text-head.ts';
import { median } from './measure.ts';
import { peerFigures } from './python.ts';

const [KEYS, CLASSES, DIMENSION, TOGETHER, ROUNDS] = [1_000_000, 1000, 512, 64, 7];
const MIB = 2 ** 20;

/**
 * A Tip-Adapter classifier of a million examples whose keys stay in its file: the time to load, to answer one query and to answer many,
 * and the memory of a process that only does this.
 */
export async function benchKeys(): Promise<string[]> {
  const lines = [
    `${KEYS.toLocaleString('en')} keys x ${DIMENSION}, ${CLASSES} classes, in the classifier's file`,
  ];
  for (const keys of ['int8', 'half'] as const) {
    const folder = mkdtempSync(join(tmpdir(), 'keys-'));
    const path = join(folder, 'many.safetensors');
    const run = (what: string) => {
      const part = [...process.execArgv, process.argv[1]!, '--part', 'keys', what, path, keys];
      const { status, stdout, stderr } = spawnSync(process.execPath, part, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      return stdout.trimEnd();
    };
    run('write');
    lines.push(`  ${keys}, file of ${Math.round(statSync(path).size / MIB)} MiB`, run('ask'));
    rmSync(folder, { recursive: true });
  }
  return [...lines, ...peerLines()];
}

/** Exact search among as many keys of one byte per number, in memory. It finds the nearest key, and no class sums. */
function peerLines(): string[] {
  const figures = peerFigures(
    'keys.py',
    [KEYS, DIMENSION, TOGETHER, availableParallelism(), ROUNDS].map(String),
  );
  if (typeof figures === 'string') return [`  FAISS and USearch ${figures}`];
  const each = (name: string) => (Number(figures[`${name}_together_ms`]) / TOGETHER).toFixed(1);
  return Object.entries({ faiss: 'FAISS, flat, 8 bits', usearch: 'USearch, exact, 8 bits' }).map(
    ([name, title]) =>
      `  ${title}, ${figures[name]}: one query ${Number(figures[`${name}_one_ms`]).toFixed(0)} ms; ${TOGETHER} together ${each(name)} ms a query`,
  );
}

/** The two processes of the benchmark: one writes the file, and one queries the classifier. */
export async function keysPart(what: string, path: string, keys: 'int8' | 'half'): Promise<string[]> {
  if (what === 'ask') return ask(path);
  const own = random('keys', 1);
  const pool = Float32Array.from({ length: 1 << 20 }, () => own.uniform() - 0.5);
  // Rows start at random positions in a million random numbers, because drawing all numbers would take most of the time.
  const noise = (rows: number) => {
    const out = matrix(rows, DIMENSION);
    for (let i = 0; i < rows; i++) {
      const start = own.integer(pool.length - DIMENSION);
      row(out, i).set(pool.subarray(start, start + DIMENSION));
    }
    return unitRows(out);
  };
  const names = Array.from({ length: CLASSES }, (_, c) => `class ${c}`);
  const data: ClassifierData = {
    classes: names.map((name) => ({ id: name, name, promptName: name, prompts: [] })),
    templates: ['{}'],
    encoder: {
      id: 'noise',
      fingerprint: '0'.repeat(64),
      source: 'features',
      licence: 'none',
      dimension: DIMENSION,
      logitScale: 100,
    },
    head: {
      ...headFromPrompts(
        noise(CLASSES),
        Int32Array.from({ length: CLASSES }, (_, c) => c),
        CLASSES,
        100,
      ),
      prompts: names.map((name) => [name]),
    },
    support: plainSupport(
      rounded(noise(KEYS), keys),
      Int32Array.from({ length: KEYS }, () => own.integer(CLASSES)),
    ),
    keys: keys === 'int8' ? { type: 'int8', cosine: 0, probability: 0, agreement: 1 } : undefined,
    examples: Array.from({ length: KEYS }, (_, i) => ({
      id: `row ${i}`,
      sha256: i.toString(16).padStart(64, '0'),
    })),
    method: 'tip-adapter',
    options: { alpha: 1, beta: 5.5 },
    state: { alpha: 1, beta: 5.5 },
    tuning: { temperature: 1, protocol: 'fixed', judges: 0, folds: 0, surface: [] },
    reject: 0,
    exif: true,
    views: 1,
    seed: 1,
    dataset: 'noise',
    created: new Date(0).toISOString(),
    createdBy: 'bench',
    version: 1,
  };
  await writeClassifier(path, data);
  return [];
}

async function ask(path: string): Promise<string[]> {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const classifier = await load(path);
  const loaded = (performance.now() - started) / 1000;
  const afterLoad = process.memoryUsage.rss();
  const own = random('queries', 1);
  const queries = matrix(
    TOGETHER,
    DIMENSION,
    Float32Array.from({ length: TOGETHER * DIMENSION }, () => own.uniform() - 0.5),
  );
  const one = matrix(1, DIMENSION, row(queries, 0).slice());
  const timed = async (features: typeof queries) => {
    const start = performance.now();
    await classifier.scores(features);
    return performance.now() - start;
  };
  const first = (await timed(one)) / 1000;
  const [single, many]: [number[], number[]] = [[], []];
  let peak = process.memoryUsage.rss();
  for (let round = 0; round < ROUNDS; round++) {
    single.push(await timed(one));
    many.push(await timed(queries));
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  await classifier.close();
  await sharedEngine().close();
  return [
    `    loaded in ${loaded.toFixed(2)} s; the first query, which verifies all keys, ${first.toFixed(1)} s`,
    `    one query ${median(single).toFixed(0)} ms; ${TOGETHER} together ${(median(many) / TOGETHER).toFixed(1)} ms a query`,
    `    memory of the process: ${mib(afterLoad - before)} MiB more after loading (labels and names of the examples), ${mib(peak - before)} MiB more while answering`,
  ];
}

const mib = (bytes: number) => Math.round(bytes / MIB);
