import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Wanted } from '../classifier/given.ts';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { readFeatureDump } from '../dataset/feature-dump.ts';
import { ModelError } from '../errors.ts';
import type { Task } from '../methods/task.ts';
import type { Cell, FitResult } from './cell.ts';
import { npy, npyLabels, rowsOf } from './dump.fixture.ts';
import { openSource } from './open.ts';

/** Makes some fits fail. Others run as usual. */
let breaks: (wanted: Wanted, task: Task) => void = () => {};
beforeEach(() => {
  breaks = () => {};
});

vi.mock('../classifier/model-selection.ts', async (original) => {
  const tune = await original<typeof import('../classifier/model-selection.ts')>();
  return {
    ...tune,
    fitWanted: async (...given: Parameters<typeof tune.fitWanted>) => {
      breaks(given[2], given[1]);
      return tune.fitWanted(...given);
    },
  };
});

const root = mkdtempSync(join(tmpdir(), 'failing-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const CLASSES = ['ant', 'bee', 'cow', 'dog'];

/** Features of a data set, by the number of rows of a class in each table. */
function write(name: string, tables: Record<string, number>): void {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'info.json'),
    JSON.stringify({ dataset: basename(name), model: 'RN50', classes: CLASSES }),
  );
  for (const [table, count] of Object.entries({ text: 1, ...tables })) {
    const labels = CLASSES.flatMap((_, c) => new Array<number>(count).fill(c));
    writeFileSync(join(folder, `${table}.npy`), npy(rowsOf(labels, `${name} ${table}`)));
    if (table !== 'text') writeFileSync(join(folder, `${table}.labels.npy`), npyLabels(labels));
  }
}

async function bench(data: string, ...argv: string[]) {
  const io = recordingIo();
  const output = join(root, 'out', argv.join(' ').replaceAll('/', ' '));
  const status = await runCli(['bench', join(root, data), '-o', output, ...argv], io);
  const { cells, tables } = JSON.parse(readFileSync(join(output, 'bench.json'), 'utf8'));
  return { status, out: io.out(), err: io.err(), cells: cells as Cell[], tables, output };
}

describe('a fit that fails', () => {
  const few = ['--methods', 'zero-shot,prototype', '--shots', '1,2'];

  it('gives the reason; the others are finished and written, means state their number of draws, and the status is 3', async () => {
    write('half/dtd', { train: 6, test: 5 });
    breaks = ({ method }, { seed, support }) => {
      if (method !== 'prototype') return;
      if (support.labels.length === 4) throw new TypeError('no such thing');
      if (seed === 2) throw new ModelError('The training loss became NaN', { code: 'training/diverged' });
    };
    const { status, out, err, cells, tables, output } = await bench('half', ...few);
    expect(status).toBe(3);
    expect(err).toContain('failed: prototype on DTD: TypeError: no such thing (3 fits)');
    expect(err).toContain('failed: prototype on DTD: The training loss became NaN\n');
    expect(err).toContain('4 fits failed');
    expect(cells.map(({ method, shots, seed }) => `${method} ${shots} ${seed}`)).toEqual([
      'zero-shot 1 1',
      'prototype 2 1',
      'prototype 2 3',
    ]);
    const [{ numbers, skipped }] = tables;
    expect(numbers).toContainEqual(
      expect.objectContaining({ row: 'prototype', column: '2', draws: 2, planned: 3 }),
    );
    expect(skipped).toHaveLength(4);
    expect(out).toMatch(/prototype +– +\d+\.\d\d( \([\d.]+–[\d.]+\))?, 2 of 3 draws/);
    for (const page of ['bench.md', 'bench.html'])
      expect(readFileSync(join(output, page), 'utf8')).toContain('2 of 3 draws');
    // Failed fits are tried again. Finished fits are not computed again.
    const kept = readdirSync(join(output, 'cells'));
    breaks = ({ method }) => {
      if (method === 'zero-shot') throw new Error('is kept');
    };
    const again = await bench('half', ...few);
    expect(again.status).toBe(0);
    expect(again.cells).toHaveLength(7);
    expect(readdirSync(join(output, 'cells'))).toEqual(expect.arrayContaining(kept));
    // A saved cell that is cut short or whose figures do not agree is computed again.
    breaks = () => {};
    const [cut, changed] = readdirSync(join(output, 'cells')).map((name) => join(output, 'cells', name));
    const whole = [cut!, changed!].map((path) => readFileSync(path, 'utf8'));
    writeFileSync(cut!, whole[0]!.slice(0, -20));
    writeFileSync(changed!, whole[1]!.replace(/"correct":\d+/, '"correct":4'));
    const mended = await bench('half', ...few);
    expect(mended.cells.map(({ accuracy }) => accuracy)).toEqual(again.cells.map(({ accuracy }) => accuracy));
    expect(JSON.parse(readFileSync(changed!, 'utf8'))[0].correct).toBe(JSON.parse(whole[1]!)[0].correct);
  });

  it('gives no mean over data sets if one has no figure', async () => {
    write('means/dtd', { train: 6, test: 5 });
    write('means/ucf101', { train: 6, test: 5 });
    breaks = ({ method, prompts }) => {
      if (method === 'prototype' && prompts === 'dtd') throw new Error('broken');
    };
    const { status, tables } = await bench('means', '--suite', 'fig5', ...few);
    expect(status).toBe(3);
    const [dtd, ucf101, mean] = tables.map(({ numbers }: { numbers: { row: string }[] }) =>
      [...new Set(numbers.map(({ row }) => row))].sort(),
    );
    expect(dtd).toEqual(['zero-shot']);
    expect(ucf101).toEqual(['prototype', 'zero-shot']);
    expect(mean).toEqual(['zero-shot']);
  });
});

describe('a data set without an example', () => {
  const methods = ['--methods', 'zero-shot,tip-adapter,prototype,auto', '--seeds', '1'];
  const prepared = () => {
    write('tests/imagenet', { train: 6, test: 5 });
    write('tests/imagenetv2', { test: 5 });
    write('tests/imagenet-sketch', { test: 5 });
  };

  // Dumps without examples are refused at once. Pictures are opened only for their test split.
  const openTest = async () => {
    const located = { path: join(root, 'tests/imagenetv2'), name: 'imagenetv2', kind: 'features' } as const;
    return openSource(located, { encoder: '-', shots: 2, seeds: [1], testOnly: true });
  };

  it('is refused if it also has no test rows', async () => {
    write('none/imagenetv2', {});
    const located = { path: join(root, 'none/imagenetv2'), name: 'imagenetv2', kind: 'features' } as const;
    await expect(
      openSource(located, { encoder: '-', shots: 2, seeds: [1], testOnly: true }),
    ).rejects.toMatchObject({ code: 'bench/no-test', message: 'imagenetv2 has no rows to test on' });
  });

  it('has only zero-shot, without shots; other methods name what they lack', async () => {
    prepared();
    const { computeCells } = await import('./cell.ts');
    const { finishTable, fitsOf } = await import('./run.ts');
    const { shotsTable } = await import('./tables.ts');
    const { baseToNewTables, unbalancedTables } = await import('./transfer.ts');
    const source = await openTest();
    const choices = {
      methods: ['zero-shot', 'tip-adapter', 'prototype', 'auto'],
      shots: [1, 2],
      protocol: 'folds',
    } as const;
    const plans = [shotsTable(source, choices), ...baseToNewTables(source, choices)];
    const results = new Map<string, FitResult>();
    for (const { source, settings, name } of fitsOf(plans, [1, 2]))
      results.set(name, await computeCells(source, settings));
    const finished = plans.map((plan) => finishTable(plan, [1, 2], results));
    for (const { entries, skipped } of finished) {
      expect([...new Set(entries.map(({ row }) => row))]).toEqual(['zero-shot']);
      expect([...new Set(skipped.map(({ method }) => method))]).toEqual(['tip-adapter', 'prototype', 'auto']);
      for (const { reason, failed } of skipped) {
        expect(reason).toMatch(/needs labelled examples$/);
        expect(failed).toBeUndefined();
      }
    }
    expect(finished[0]!.plan.columns).toEqual(['0']);
    expect(finished[0]!.missing).toEqual(['1, 2 shots: there are no examples to learn from']);
    expect(unbalancedTables(source, choices)).toMatchObject([
      { trials: [], missing: ['2 shots: imagenetv2 has no examples to learn from'] },
    ]);
  });

  it.each([[[]], [['--suite', 'base-to-new']], [['--suite', 'unbalanced']], [['--suite', 'domain']]])(
    'does not end `bench %j`',
    async (argv) => {
      prepared();
      const { status, tables, err } = await bench('tests', ...argv, ...methods);
      expect(err).not.toContain('TypeError');
      expect(status).toBe(0);
      expect(tables.length).toBeGreaterThan(0);
    },
  );
});

describe('the fingerprint of features', () => {
  it('changes with every number, label and name', async () => {
    write('prints', { train: 4, val: 2, test: 3, prompts: 2 });
    const folder = join(root, 'prints');
    const located = { path: folder, name: 'prints', kind: 'features' } as const;
    const fingerprint = async () =>
      (await openSource(located, { encoder: '-', shots: 2, seeds: [1] })).fingerprint;
    const before = await fingerprint();
    expect(await fingerprint()).toBe(before);
    const restored = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]));
    const seen = new Set([before]);
    const changes: [string, (bytes: Buffer) => Buffer][] = [...restored.keys()]
      .filter((file) => file.endsWith('.npy'))
      .map((file) => [
        file,
        (bytes) => {
          const changed = Buffer.from(bytes);
          // The lowest bit of a feature, or the class of the last row.
          changed[file.includes('labels') ? changed.length - 8 : changed.length - 4]! ^= 1;
          return changed;
        },
      ]);
    changes.push(
      ['info.json', (bytes) => Buffer.from(bytes.toString().replace('RN50', 'RN101'))],
      ['info.json', (bytes) => Buffer.from(bytes.toString().replace('cow', 'calf'))],
      ['info.json', (bytes) => Buffer.from(bytes.toString().replace('"ant","bee"', '"bee","ant"'))],
    );
    for (const [file, change] of changes) {
      const original = restored.get(file) as Buffer;
      writeFileSync(join(folder, file), change(original));
      const changed = await fingerprint();
      expect(seen.has(changed), file).toBe(false);
      seen.add(changed);
      writeFileSync(join(folder, file), original);
    }
    expect(seen.size).toBe(1 + changes.length);
    expect(await fingerprint()).toBe(before);
    // Labels in info.json count as those in a file beside.
    const { test } = await readFeatureDump(folder);
    rmSync(join(folder, 'test.labels.npy'));
    const info = JSON.parse((restored.get('info.json') as Buffer).toString());
    const listed = async (labels: number[]) => {
      writeFileSync(
        join(folder, 'info.json'),
        JSON.stringify({ ...info, files: { 'test.npy': { labels } } }),
      );
      return fingerprint();
    };
    const labels = Array.from(test?.labels as Int32Array);
    expect(await listed(labels)).toBe(before);
    expect(seen.has(await listed(labels.with(0, 3)))).toBe(false);
  });
});
