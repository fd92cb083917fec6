import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { locateDatasets } from '../dataset/locate.ts';
import { npy, npyLabels, rowsOf } from './dump.fixture.ts';
import { pickDatasets, SUITES } from './suites.ts';

const root = mkdtempSync(join(tmpdir(), 'suites-'));
const data = join(root, 'features');
afterAll(() => rmSync(root, { recursive: true, force: true }));

const CLASSES = ['ant', 'bee', 'cow', 'dog', 'elk', 'fox'];
const repeated = (k: number) => CLASSES.flatMap((_, c) => new Array<number>(k).fill(c));

/** Features of a data set: training rows to draw from, or only a test set. */
function write(name: string, model: string, { train = 20, prompts = 0, test = 8 } = {}): void {
  const folder = join(data, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'info.json'), JSON.stringify({ dataset: name, model, classes: CLASSES }));
  const put = (table: string, labels: readonly number[]) => {
    writeFileSync(join(folder, `${table}.npy`), npy(rowsOf(labels, `${name} ${table}`)));
    if (table !== 'text') writeFileSync(join(folder, `${table}.labels.npy`), npyLabels(labels));
  };
  put('test', repeated(test));
  if (train === 0) return;
  put('train', repeated(train));
  put('text', repeated(1));
  if (prompts > 0) put('prompts', repeated(prompts));
}

beforeAll(() => {
  write('imagenet', 'RN50', { prompts: 3 });
  write('imagenetv2', 'RN50', { train: 0 });
  write('dtd', 'RN50');
});

async function bench(suite: string, ...argv: string[]) {
  const io = recordingIo();
  const output = join(root, suite);
  const status = await runCli(['bench', data, '--suite', suite, '--seeds', '1,2', '-o', output, ...argv], io);
  const file = (name: string) => readFileSync(join(output, name), 'utf8');
  return { status, out: io.out(), err: io.err(), file, json: () => JSON.parse(file('bench.json')) };
}

interface Numbers {
  row: string;
  column: string;
  accuracy: number;
  draws: number;
}

describe('suites', () => {
  const few = ['--methods', 'zero-shot,tip-adapter'];

  it('table1 is about ImageNet, with costs and published costs', async () => {
    const { status, out, json } = await bench('table1', ...few);
    expect(status).toBe(0);
    expect(out).toMatch(/tip-adapter-f \(published\) +65\.51 +300 +– +2227 \(GPU\)/);
    const [table, ...others] = json().tables;
    expect(others).toEqual([]);
    expect(table.title).toBe('ImageNet: 6 classes, RN50');
    expect(table.numbers.map(({ row, column, draws }: Numbers) => [row, column, draws])).toEqual([
      ['zero-shot', '16', 1],
      ['tip-adapter', '16', 2],
    ]);
  });

  it('fig5 has a table for each data set and their mean, and names the missing ones', async () => {
    const { out, err, json, file } = await bench('fig5', ...few, '--shots', '1,4,64');
    const titles = json().tables.map(({ title }: { title: string }) => title);
    expect(titles).toEqual([
      'DTD: 6 classes, RN50',
      'ImageNet: 6 classes, RN50',
      'Mean over 2 data sets, RN50',
    ]);
    const [dtd, imagenet, mean] = json().tables.map(({ numbers }: { numbers: Numbers[] }) =>
      numbers.find(({ row, column }) => row === 'tip-adapter' && column === '4'),
    );
    expect(mean.accuracy).toBeCloseTo((dtd.accuracy + imagenet.accuracy) / 2, 10);
    expect(err).toContain('missing: eurosat: not found');
    expect(out).toContain('64 shots: no class has so many');
    expect(out).toContain('published means: they are over all eleven data sets');
    const page = file('bench.html');
    expect(page).toContain('<i class="published">60.98</i>');
    expect(page).toMatch(/<g class="series-\d published">\s*<path class="line"[^>]*stroke-dasharray="1 4"/);
  });

  it('reports draws with fewer examples than asked for', async () => {
    write('ucf101', 'RN50');
    writeFileSync(
      join(data, 'ucf101', 'train.labels.npy'),
      npyLabels([...new Array<number>(100).fill(0), ...repeated(20).slice(100)]),
    );
    const { out } = await bench('fig5', ...few, '--shots', '4');
    rmSync(join(data, 'ucf101'), { recursive: true });
    expect(out).toContain('UCF101, 4 shots: 8 examples instead of 24, because some classes have fewer');
  });

  it('table3 has a column for each encoder, empty for missing ones', async () => {
    const { json } = await bench('table3', ...few);
    const [{ columns, missing, numbers }] = json().tables;
    expect(columns).toEqual(['RN50', 'RN101', 'ViT-B/32', 'ViT-B/16']);
    expect(missing).toContain('RN101: no features');
    expect(numbers.every(({ column }: Numbers) => column === 'RN50')).toBe(true);
  });

  it('domain learns once and is tested on each test set', async () => {
    const { json, err } = await bench('domain', ...few);
    const [{ columns, numbers }] = json().tables;
    expect(columns).toEqual(['ImageNet', 'ImageNet-V2']);
    expect(numbers).toHaveLength(4);
    expect(new Set(json().cells.map(({ on }: { on: string }) => on))).toEqual(new Set(columns));
    expect(err).toContain('missing: imagenet-sketch: not found');
  });

  it('base-to-new gives new classes no examples, and shows the harmonic mean', async () => {
    const { json } = await bench('base-to-new', ...few);
    const numbers: Numbers[] = json().tables[0].numbers;
    const at = (row: string, column: string) =>
      numbers.find((number) => number.row === row && number.column === column) as Numbers;
    expect(at('tip-adapter', 'new').accuracy).toBe(at('zero-shot', 'new').accuracy);
    const [base, fresh] = [at('zero-shot', 'base').accuracy, at('zero-shot', 'new').accuracy];
    expect(at('zero-shot', 'harmonic mean').accuracy).toBeCloseTo((2 * base * fresh) / (base + fresh), 10);
    const [cell] = json().cells.filter(({ on }: { on: string }) => on === 'base');
    expect(cell).toMatchObject({ classes: 3, total: 24, examples: 48 });
  });

  it('unbalanced has fewer examples than classes times shots', async () => {
    const { json } = await bench('unbalanced', ...few);
    const examples = new Set(json().cells.map((cell: { examples: number }) => cell.examples));
    // 16, 9, 5, 3, 2, 1 of the six classes.
    expect(examples).toEqual(new Set([36]));
  });

  it('ablations vary alpha, beta, cache, shots, prompts and trained parts', async () => {
    const { json } = await bench('ablations', '--seeds', '1');
    const tables: { axis: string; columns: string[]; numbers: Numbers[]; missing: string[] }[] =
      json().tables;
    expect(tables.map(({ axis, numbers }) => [axis, numbers.length])).toEqual([
      ['alpha', 6],
      ['beta', 6],
      ['cache size', 6],
      ['more shots', 2],
      ['prompts', 6],
      ['trained', 2],
    ]);
    expect(tables[3]!.missing).toContain('32 shots: not available');
    expect(tables[5]!.missing).toContain('trained values: no method here trains them');
    const zero = tables[2]!.numbers.find(({ column }) => column === '0');
    expect(tables[0]!.numbers[0]).toMatchObject({ column: '0', accuracy: zero?.accuracy });
  });

  it('use the given data if their own are missing, and report it', async () => {
    const { picked, missing } = pickDatasets(SUITES.table1, await locateDatasets(join(data, 'dtd')));
    expect(picked.map(({ name }) => name)).toEqual(['dtd']);
    expect(missing).toEqual(['imagenet: not found, so the given data are used instead']);
  });

  it('show calibration, sets and rejection on request', async () => {
    const { out, json } = await bench('table1', ...few, '--metrics');
    expect(out).toMatch(
      /Probabilities at 16 +NLL +ECE +Brier +90% sets hold +Classes per set +Rejection AUROC/,
    );
    for (const { auroc, coverage, setSize } of json().cells) {
      expect(auroc).toBeGreaterThan(0.5);
      expect(auroc).toBeLessThanOrEqual(1);
      expect(coverage).toBeGreaterThan(0.5);
      expect(setSize).toBeGreaterThan(0.5);
    }
  });

  it('continue if one of the data sets cannot be read, and name it', async () => {
    mkdirSync(join(data, 'eurosat'));
    writeFileSync(join(data, 'eurosat', 'info.json'), JSON.stringify({ classes: CLASSES }));
    writeFileSync(join(data, 'eurosat', 'test.npy'), 'no table');
    const { status, err, json } = await bench('fig5', ...few, '--shots', '1');
    rmSync(join(data, 'eurosat'), { recursive: true });
    expect(status).toBe(0);
    expect(err).toMatch(/missing: eurosat: .*eurosat has no examples/);
    expect(json().tables).toHaveLength(3);
  });
});
