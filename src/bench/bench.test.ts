import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { readFeatureDump } from '../dataset/feature-dump.ts';
import { matrix } from '../math/matrix.ts';
import type { Cell } from './cell.ts';
import { featuresTensor, labelsTensor, npy, npyLabels, rowsOf, safetensors } from './dump.fixture.ts';
import { entryOf, pairBest } from './table-entries.ts';
import type { Part, Trial } from './table-plan.ts';

const root = mkdtempSync(join(tmpdir(), 'bench-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Removes a table from a dump. */
function forget(file: string, info: Record<string, unknown>, files: Record<string, Buffer>): void {
  delete files[file];
  delete (info.files as Record<string, unknown>)[file];
}

function dump(
  name: string,
  change: (info: Record<string, unknown>, files: Record<string, Buffer>) => void = () => {},
): string {
  const folder = join(root, name);
  const repeated = (k: number) => [0, 1, 2].flatMap((c) => new Array<number>(k).fill(c));
  const labels: Record<string, number[]> = {
    'support_1shot.npy': repeated(1),
    'support_4shot.npy': repeated(4),
    'test.npy': repeated(20),
    'val.npy': repeated(6),
  };
  const files: Record<string, Buffer> = { 'text.npy': npy(rowsOf([0, 1, 2], 'text')) };
  for (const [file, own] of Object.entries(labels)) files[file] = npy(rowsOf(own, file));
  const info = {
    dataset: name,
    model: 'made up',
    classes: ['ant', 'bee', 'cow'],
    files: {
      'text.npy': {},
      ...Object.fromEntries(Object.entries(labels).map(([file, own]) => [file, { labels: own }])),
    },
  };
  change(info, files);
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
  writeFileSync(join(folder, 'info.json'), JSON.stringify(info));
  return folder;
}

async function bench(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(['bench', ...argv], io);
  return { status, out: io.out(), err: io.err() };
}

describe('bench', () => {
  const folder = dump('made');
  const output = join(root, 'out');
  const common = [folder, '--methods', 'zero-shot,tip-adapter,coop,auto', '--shots', '1,4,8', '-o', output];

  it('shows every method by shots, and describes test rows and left-out parts', async () => {
    const { status, out, err } = await bench(...common);
    expect(status).toBe(0);
    expect(out).toContain(
      'Evaluated on test rows; tuned by folds of the examples alone. There is one draw of examples. Each fit was evaluated on 60 rows.',
    );
    expect(out).toMatch(/tip-adapter +\d+\.\d\d \(/);
    expect(err).toContain(
      'left out: coop on made: CoOp needs an encoder whose text tower takes learnt words (2 fits)',
    );
    const { cells }: { cells: Cell[] } = JSON.parse(readFileSync(join(output, 'bench.json'), 'utf8'));
    // Zero-shot uses no examples, so it has one cell. There is no draw of eight.
    expect(cells.map(({ method, shots }) => `${method} ${shots}`)).toEqual([
      'zero-shot 1',
      'tip-adapter 1',
      'tip-adapter 4',
      'auto 1',
      'auto 4',
    ]);
    for (const cell of cells) {
      expect(cell.right).toHaveLength(60);
      expect(cell.correct).toBe(cell.right.replaceAll('0', '').length);
    }
    expect(readFileSync(join(output, 'bench.html'), 'utf8')).toContain('<svg');
    expect(readFileSync(join(output, 'bench.csv'), 'utf8').split('\n')[0]).toContain('fingerprint');
  });

  it('keeps finished cells, and computes them again if the data changed', async () => {
    const cells = join(output, 'cells');
    const before = readdirSync(cells).length;
    const old = readFileSync(join(cells, readdirSync(cells)[0]!), 'utf8');
    await bench(...common);
    expect(readdirSync(cells)).toHaveLength(before);
    expect(readFileSync(join(cells, readdirSync(cells)[0]!), 'utf8')).toBe(old);
    dump('made', (_, files) => {
      files['test.npy'] = npy(
        rowsOf(
          [0, 1, 2].flatMap((c) => new Array<number>(20).fill(c)),
          'other',
        ),
      );
    });
    await bench(...common);
    expect(readdirSync(cells).length).toBeGreaterThan(before);
  });

  it.each(['val', 'min4', 'paper'])('protocol %s is named with its numbers', async (protocol) => {
    const { status, out } = await bench(
      folder,
      '--methods',
      'tip-adapter',
      '--shots',
      '4',
      '--protocol',
      protocol,
      '-o',
      output,
    );
    expect(status).toBe(0);
    expect(out).toContain(
      {
        val: 'tuned on the validation split',
        min4: 'at most four validation rows',
        paper:
          'tuned as published, on the validation split; best epochs were picked on the reported rows, which is optimistic',
      }[protocol],
    );
  });

  it('reports beside the figures how a method differs from its paper', async () => {
    const common = [folder, '--shots', '1', '--protocol', 'fixed', '-o', output];
    expect((await bench(...common, '--methods', 'taskres')).out).toContain(
      'TaskRes starts from text embeddings at their own length; these have length 1 and were scaled to 9.9',
    );
    expect((await bench(...common, '--methods', 'tip-adapter')).out).not.toContain('own length');
  });

  it('refuses malformed lists and unknown methods', async () => {
    expect((await bench(folder, '--shots', '1,x')).err).toContain('--shots');
    expect((await bench(folder, '--methods', 'tip-adaptor')).err).toContain('tip-adapter');
  });
});

describe('a dump of features', () => {
  it.each([
    [
      'not a number',
      'row 1 holds NaN',
      (_: Record<string, unknown>, files: Record<string, Buffer>) =>
        files['test.npy']!.writeFloatLE(Number.NaN, files['test.npy']!.length - 60 * 32 + 36),
    ],
    [
      'another width',
      '4 columns, and the other files have 8',
      (_: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['val.npy'] = npy(matrix(18, 4));
      },
    ],
    [
      'a label too large',
      'row 0 has label 7',
      (info: Record<string, unknown>) => {
        (info.files as Record<string, { labels: number[] }>)['val.npy']!.labels[0] = 7;
      },
    ],
    [
      'too few labels',
      '18 rows and 17 labels',
      (info: Record<string, unknown>) => {
        (info.files as Record<string, { labels: number[] }>)['val.npy']!.labels.pop();
      },
    ],
    [
      'a file that is not there',
      'is not there',
      (_: Record<string, unknown>, files: Record<string, Buffer>) => void delete files['val.npy'],
    ],
    [
      'one class',
      'does not describe features',
      (info: Record<string, unknown>) => {
        info.classes = ['ant'];
      },
    ],
    [
      'a row of zeros',
      'row 2 is all zeros',
      (_: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['test.npy']!.fill(0, files['test.npy']!.length - 58 * 32, files['test.npy']!.length - 57 * 32);
      },
    ],
    [
      'integers for features',
      'holds int64',
      (info: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['test.safetensors'] = safetensors({
          features: labelsTensor([60, 8], new Array<number>(480).fill(1)),
        });
        forget('test.npy', info, files);
      },
    ],
    [
      'a safetensors file without features',
      'no tensor "features" (it has rows)',
      (info: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['val.safetensors'] = safetensors({ rows: featuresTensor(rowsOf([0], 'val')) });
        forget('val.npy', info, files);
      },
    ],
    [
      'labels that are no list',
      'labels of int64 [3, 1]',
      (info: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['val.safetensors'] = safetensors({
          features: featuresTensor(rowsOf([0, 1, 2], 'val')),
          labels: labelsTensor([3, 1], [0, 1, 2]),
        });
        forget('val.npy', info, files);
      },
    ],
    [
      'another head',
      '2 rows, and there are 3 classes',
      (_: Record<string, unknown>, files: Record<string, Buffer>) => {
        files['text.npy'] = npy(rowsOf([0, 1], 'text'));
      },
    ],
  ])('with %s is refused by name', async (name, message, change) => {
    const folder = dump(`bad ${name}`, change as never);
    await expect(readFeatureDump(folder)).rejects.toThrow(message);
  });

  it('is the same in safetensors, with labels in a file beside it, and with labels in info.json', async () => {
    const plain = await readFeatureDump(dump('plain'));
    const other = await readFeatureDump(
      dump('other kinds', (info, files) => {
        const own = info.files as Record<string, { labels: number[] }>;
        files['val.labels.npy'] = npyLabels(own['val.npy']!.labels);
        files['test.safetensors'] = safetensors({
          features: featuresTensor(rowsOf(own['test.npy']!.labels, 'test.npy')),
          labels: labelsTensor([60], own['test.npy']!.labels),
        });
        forget('test.npy', info, files);
        delete (own as Record<string, unknown>)['val.npy'];
      }),
    );
    expect(other.test).toEqual(plain.test);
    expect(other.val).toEqual(plain.val);
  });

  it('names classes that a table lacks, and reports rows without unit length', async () => {
    const { findings } = await readFeatureDump(
      dump('odd', (info, files) => {
        (info.files as Record<string, { labels: number[] }>)['val.npy']!.labels.fill(0);
        const rows = rowsOf([0, 1, 2], 'text');
        files['text.npy'] = npy(
          matrix(
            3,
            8,
            rows.data.map((x) => 5 * x),
          ),
        );
      }),
    );
    expect(findings).toEqual([
      expect.stringContaining('val.npy: 2 classes have no row (bee, cow)'),
      expect.stringContaining('text.npy: rows have lengths of 5.00 to 5.00 instead of 1'),
    ]);
  });
});

describe('summaries', () => {
  const cell = (method: string, seed: number, right: string): Cell =>
    ({
      data: 'd',
      encoder: 'e',
      method,
      protocol: 'folds',
      shots: 4,
      seed,
      right,
      accuracy: right.replaceAll('0', '').length / right.length,
      interval: [0, 1],
      nll: 1,
      fitSeconds: 1,
      scoreMilliseconds: 1,
      peakMemory: 1,
      chosen: method,
    }) as unknown as Cell;

  it('average draws and compare methods on the same draws and rows', () => {
    const trial = (row: string): Trial => ({ row, column: '4', parts: [{} as Part] });
    const entries = [
      entryOf(trial('a'), [[cell('a', 1, '1111111100'), cell('a', 2, '1111111111')]]),
      entryOf(trial('b'), [[cell('b', 1, '0011111100'), cell('b', 2, '0011111100')]]),
    ].flatMap((entry) => entry ?? []);
    expect(entries.map(({ accuracy, draws }) => [accuracy, draws])).toEqual([
      [0.9, 2],
      [0.6, 2],
    ]);
    const pair = pairBest(entries)[0]!;
    // Six rows on which only `a` is right: 2 / 2^6.
    expect(pair).toMatchObject({ better: 'a', worse: 'b' });
    expect(pair.p).toBeCloseTo(2 / 64, 10);
  });

  it('cover the draws that all parts have, matched by seed, and state their number', () => {
    const trial: Trial = { row: 'a', column: '4', parts: [{} as Part, {} as Part] };
    const one = [cell('a', 1, '1111'), undefined, cell('a', 3, '1100')];
    const other = [cell('a', 1, '1110'), cell('a', 2, '0000'), cell('a', 3, '1111')];
    expect(entryOf(trial, [one, other])).toMatchObject({
      draws: 2,
      planned: 3,
      accuracy: (0.875 + 0.75) / 2,
      cells: [one[0], other[0], one[2], other[2]],
    });
    // A part with one draw is combined with each draw of the other part.
    expect(entryOf(trial, [[cell('z', 1, '0000')], other])).toMatchObject({ draws: 3, planned: 3 });
    expect(entryOf(trial, [[undefined], other])).toBeUndefined();
    expect(entryOf(trial, [[undefined, undefined, undefined], other])).toBeUndefined();
  });
});
