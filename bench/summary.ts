import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fit } from '../src/classifier/index.ts';
import { eachBlock } from '../src/classifier/row-sums.ts';
import { openFeatureBlocks } from '../src/dataset/feature-blocks.ts';
import { createEngine } from '../src/engine/index.ts';
import { withProducts } from '../src/linalg/matrix-products.ts';
import { CAPACITY, WIDTH } from '../src/linalg/row-adder.ts';
import { toHalf } from '../src/math/half.ts';
import { matrix, row, unitRows } from '../src/math/matrix.ts';
import { random } from '../src/math/random.ts';
import { median } from './measure.ts';

const [CLASSES, DIMENSION] = [1000, 512];
const ROWS = 1_000_000;
const MIB = 2 ** 20;
const ROUNDS = 3;

/**
 * `fit --summary` on made-up features (1,000 classes, 512 numbers in half precision): rows a second, and the memory of the process, beside
 * reading the file and reading its rows as unit rows. `npm run bench -- summary` uses a million rows; TIP_ADAPTER_BENCH_ROWS gives another
 * number.
 */
export async function benchSummary(): Promise<string[]> {
  const rows = Number(process.env.TIP_ADAPTER_BENCH_ROWS ?? ROWS);
  const folder = mkdtempSync(join(tmpdir(), 'summary-'));
  try {
    write(folder, rows);
    const { size } = statSync(join(folder, 'train.npy'));
    const lines = [
      `${rows.toLocaleString('en')} rows x ${DIMENSION} in half precision, ${CLASSES} classes: ${Math.round(size / MIB)} MiB`,
    ];
    const run = (what: string, { cold = false } = {}) => {
      const seconds: number[] = [];
      let memory = 0;
      const rounds = rows > ROWS || what === 'tip-adapter-sketch' ? 1 : ROUNDS;
      for (let round = 0; round < rounds; round++) {
        if (cold) dropCaches();
        const part = [...process.execArgv, process.argv[1]!, '--part', 'summary', what, folder];
        const { status, stdout, stderr } = spawnSync(process.execPath, part, { encoding: 'utf8' });
        if (status !== 0) throw new Error(stderr);
        const told = JSON.parse(stdout) as { seconds: number; memory: number };
        seconds.push(told.seconds);
        memory = Math.max(memory, told.memory);
      }
      return { seconds: median(seconds), memory };
    };
    const disk = canDropCaches ? run('bytes', { cold: true }) : undefined;
    const alone = run('bytes');
    const decoded = run('rows');
    const products = run('products');
    const told = (name: string, { seconds, memory }: typeof alone) =>
      `  ${name.padEnd(40)}${seconds.toFixed(1)} s, ${Math.round(rows / seconds).toLocaleString('en')} rows a second, ` +
      `${Math.round(size / MIB / seconds)} MiB a second, ${memory} MiB of memory; ` +
      `${disk ? `${share(disk, seconds)} of the bytes from the disk, ` : ''}${share(alone, seconds)} of those in memory, ` +
      `${share(decoded, seconds)} of the rows alone`;
    if (disk) lines.push(told('the bytes of the file, from the disk', disk));
    lines.push(
      told('the bytes of the file, in memory', alone),
      told('its rows, checked, as unit rows', decoded),
    );
    lines.push(told('the products of gda alone, x x^T', products));
    for (const method of ['prototype', 'gda', ...(rows > ROWS ? [] : ['tip-adapter-sketch'])])
      lines.push(told(`fit --summary --method ${method}`, run(method)));
    return lines;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Only root may have the system forget the files that it keeps in memory. */
const CACHES = '/proc/sys/vm/drop_caches';
const canDropCaches = process.getuid?.() === 0 && existsSync(CACHES);

function dropCaches(): void {
  spawnSync('sync');
  writeFileSync(CACHES, '1');
}

const share = ({ seconds }: { seconds: number }, own: number) => `${Math.round((100 * seconds) / own)}%`;

/** One measurement in a process of its own: JSON with seconds and the largest resident memory in MiB. */
export async function summaryPart(what: string, folder: string): Promise<string[]> {
  const path = join(folder, 'train.npy');
  const started = performance.now();
  if (what === 'bytes') {
    const file = await open(path);
    const buffer = new Uint8Array(8 * MIB);
    for (let bytes = 1; bytes > 0; ) bytes = (await file.read(buffer, 0, buffer.length, null)).bytesRead;
    await file.close();
  } else if (what === 'rows') {
    await eachBlock((await openFeatureBlocks(folder)).parts, {}, () => {});
  } else if (what === 'products') {
    await productsOf(Number(process.env.TIP_ADAPTER_BENCH_ROWS ?? ROWS));
  } else {
    await (await fit(folder, { summary: true, method: what, tune: 'fixed' })).close();
  }
  const seconds = (performance.now() - started) / 1000;
  return [JSON.stringify({ seconds, memory: Math.round(process.resourceUsage().maxRSS / 1024) })];
}

/** As many products as the second moments of these rows take, on each core at the same time, and nothing else: what `gda` cannot do without. */
async function productsOf(rows: number): Promise<void> {
  const columns = matrix(
    DIMENSION,
    CAPACITY,
    Float32Array.from({ length: DIMENSION * CAPACITY }, (_, i) => (i % 97) / 97),
  );
  const cores = availableParallelism();
  const core = () =>
    withProducts(createEngine({ threads: 1 }), async ({ gram }) => {
      for (let done = 0; done < rows / cores; done += CAPACITY) await gram(columns, WIDTH);
    });
  await Promise.all(Array.from({ length: cores }, core));
}

/** Rows around a random direction for each class, in random order of the classes. */
function write(folder: string, rows: number): void {
  const own = random('summary', 1);
  const drawn = (n: number) =>
    unitRows(
      matrix(
        n,
        DIMENSION,
        Float32Array.from({ length: n * DIMENSION }, () => own.normal()),
      ),
    );
  const centres = drawn(CLASSES);
  const noise = drawn(4096);
  const header = (descr: string, shape: string) => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
    const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
    const head = Buffer.alloc(10);
    head.write('\x93NUMPY\x01\x00', 'latin1');
    head.writeUInt16LE(padded.length, 8);
    return Buffer.concat([head, Buffer.from(padded)]);
  };
  const labels = Int32Array.from({ length: rows }, () => own.integer(CLASSES));
  const file = openSync(join(folder, 'train.npy'), 'w');
  writeSync(file, header('<f2', `${rows}, ${DIMENSION}`));
  const block = matrix(8192, DIMENSION);
  for (let from = 0; from < rows; from += block.rows) {
    const n = Math.min(block.rows, rows - from);
    for (let i = 0; i < n; i++) {
      const [centre, around] = [row(centres, labels[from + i]!), row(noise, own.integer(noise.rows))];
      const target = row(block, i);
      for (let j = 0; j < DIMENSION; j++) target[j] = centre[j]! + 0.7 * around[j]!;
    }
    const halves = toHalf(block.data.subarray(0, n * DIMENSION));
    writeSync(file, new Uint8Array(halves.buffer));
  }
  closeSync(file);
  writeFileSync(
    join(folder, 'train.labels.npy'),
    Buffer.concat([header('<i4', `${rows},`), Buffer.from(labels.buffer)]),
  );
  writeFileSync(
    join(folder, 'text.npy'),
    Buffer.concat([header('<f4', `${CLASSES}, ${DIMENSION}`), Buffer.from(centres.data.buffer)]),
  );
  const classes = Array.from({ length: CLASSES }, (_, c) => `class ${c}`);
  writeFileSync(join(folder, 'info.json'), JSON.stringify({ classes, model: 'made up', dataset: 'made up' }));
}
