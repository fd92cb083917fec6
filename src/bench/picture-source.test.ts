import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { recordingIo } from '../cli/io.fixture.ts';
import { runCli } from '../cli/program.ts';
import { registerEncoder } from '../encoder/registered.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import type { OpenOptions } from './bench-source.ts';
import type { Cell } from './cell.ts';
import { openSource } from './open.ts';

vi.mock('../image/loader.ts', async (original) =>
  (await import('../classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

const COLOURS = { red: '#d02020', green: '#20b040', blue: '#2040d0' };
const SPLITS = { train: 4, val: 2, test: 2 };

describe('bench on pictures with a small encoder', () => {
  let root: string;
  const home = process.env.TIP_ADAPTER_HOME;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'bench-pictures-'));
    process.env.TIP_ADAPTER_HOME = join(root, 'home');
    await writeSmallEncoder(join(root, 'encoder'));
    for (const [split, count] of Object.entries(SPLITS)) {
      for (const [label, background] of Object.entries(COLOURS)) {
        await mkdir(join(root, 'photos', split, label), { recursive: true });
        for (let i = 0; i < count; i++) {
          const dot = `<circle cx="${10 + 9 * i}" cy="${12 * split.length}" r="${4 + 3 * i}" fill="white"/>`;
          await sharp({ create: { width: 64, height: 64, channels: 3, background } })
            .composite([{ input: Buffer.from(`<svg width="64" height="64">${dot}</svg>`) }])
            .png()
            .toFile(join(root, 'photos', split, label, `${split}-${i}.png`));
        }
      }
    }
  });

  afterAll(async () => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
    await rm(root, { recursive: true, force: true });
  });

  async function bench(folder: string, ...argv: string[]) {
    const io = recordingIo();
    const output = join(root, 'out');
    const status = await runCli(
      ['bench', join(root, folder), '--encoders', join(root, 'encoder'), '-o', output, ...argv],
      io,
    );
    const { cells }: { cells: Cell[] } = JSON.parse(await readFile(join(output, 'bench.json'), 'utf8'));
    return { status, out: io.out(), err: io.err(), cells };
  }

  it('draws by seed, tests on the test split and times the encoding', async () => {
    const { status, out, cells } = await bench(
      'photos',
      '--methods',
      'prototype',
      '--shots',
      '1,4,8',
      '--seeds',
      '1,2',
    );
    expect(status).toBe(0);
    expect(out).toContain('Evaluated on test pictures; ');
    expect(out).toContain('Each fit was evaluated on 6 rows.');
    expect(out).toContain('8 shots: no class has so many');
    expect(cells.map(({ shots, seed, examples }) => [shots, seed, examples])).toEqual([
      [1, 1, 3],
      [1, 2, 3],
      [4, 1, 12],
      [4, 2, 12],
    ]);
    expect(out).toContain('With encoding, ms');
    for (const { total, encodeMilliseconds } of cells) {
      expect(total).toBe(6);
      expect(encodeMilliseconds).toBeGreaterThan(0);
    }
  });

  it('says which test pictures are left out and why, and refuses a test split of which none is left', async () => {
    await cp(join(root, 'photos'), join(root, 'repeated'), { recursive: true });
    const copy = (n: number) =>
      cp(join(root, `photos/train/red/train-${n}.png`), join(root, `repeated/test/red/test-${n}.png`));
    await copy(0);
    const given = ['repeated', '--methods', 'prototype', '--shots', '4', '--seeds', '1', '--json'] as const;
    const note =
      'repeated: 1 of 6 test pictures was left out, because the same picture is among the examples';
    const some = await bench(...given);
    expect(some.cells[0]).toMatchObject({ total: 5, testedClasses: 3 });
    expect(JSON.parse(some.out).tables[0].missing).toEqual([note]);
    expect(await readFile(join(root, 'out', 'bench.md'), 'utf8')).toContain(`Missing: ${note}`);
    await copy(1);
    const fewer = await bench(...given);
    expect(JSON.parse(fewer.out).tables[0].how).toContain(
      '4 rows. The rows of repeated are of 2 of 3 classes.',
    );
    await rm(join(root, 'repeated/test'), { recursive: true });
    await cp(join(root, 'photos/train'), join(root, 'repeated/test'), { recursive: true });
    const io = recordingIo();
    const all = [
      'bench',
      join(root, 'repeated'),
      '--encoders',
      join(root, 'encoder'),
      '-o',
      join(root, 'none'),
    ];
    expect(await runCli([...all, '--shots', '4', '--methods', 'prototype'], io)).toBe(3);
    expect(io.err()).toContain('12 of 12 test pictures were left out, because');
  });

  it('says that it split the pictures itself, and of how many classes the rows are', async () => {
    const train = join(root, 'photos', 'train');
    await cp(join(train, 'red'), join(root, 'unsplit', 'red'), { recursive: true });
    await cp(join(train, 'blue', 'train-0.png'), join(root, 'unsplit', 'blue', 'only.png'));
    const common = ['unsplit', '--methods', 'prototype', '--shots', '1', '--seeds', '1'] as const;
    const { out, cells } = await bench(...common, '--metrics');
    expect(out).toContain('about 30% of the pictures of each class, because there is no test split; ');
    expect(out).toContain('evaluated on 1 row. The rows of unsplit are of 1 of 2 classes.');
    expect(cells[0]).toMatchObject({ classes: 2, testedClasses: 1 });
    expect(out).toContain('Missing: unsplit: how well other pictures are rejected, because');
  });

  it('encodes the validation split if a protocol uses it', async () => {
    const { out, cells } = await bench(
      'photos',
      '--methods',
      'tip-adapter',
      '--shots',
      '4',
      '--protocol',
      'val',
    );
    expect(out).toContain('tuned on the validation split');
    expect(cells).toHaveLength(3);
  });

  it('names absent pictures and classes that a split lacks, and continues with the others', async () => {
    const at = (split: string, label: string, i: number) => `${split}/${label}/${split}-${i}.png`;
    const rows = (split: string, labels: readonly string[], count: number) =>
      labels.flatMap((label, c) => Array.from({ length: count }, (_, i) => [at(split, label, i), c, label]));
    const labels = Object.keys(COLOURS);
    await cp(join(root, 'photos'), join(root, 'eurosat', '2750'), { recursive: true });
    await writeFile(
      join(root, 'eurosat', 'split_zhou_EuroSAT.json'),
      JSON.stringify({ train: rows('train', labels, 6), test: rows('test', labels.slice(0, 2), 2) }),
    );
    const { status, out, err, cells } = await bench('eurosat', '--methods', 'prototype', '--shots', '2,4');
    expect(status).toBe(3);
    expect(err).toContain('error: 6 pictures could not be read');
    expect(out).toContain('EuroSAT: 6 pictures that could not be read');
    expect(err).toContain('6 rows are left out, because the files do not exist');
    expect(err).toContain('1 class has no pictures in test: "blue"');
    expect(out).toContain('EuroSAT: 3 classes');
    expect(cells[0]).toMatchObject({ total: 4, classes: 3 });
  });

  it("learns from ImageNet's folders and is tested on its V2, whose folders are numbers", async () => {
    const ids = ['n00000007', 'n00000003', 'n00000005'];
    const names = ids.map((id, i) => `${id} ${Object.keys(COLOURS)[i]}\n`).join('');
    for (const [i, label] of Object.keys(COLOURS).entries()) {
      const from = (split: string) => join(root, 'photos', split, label);
      const imagenet = join(root, 'data', 'imagenet', 'images');
      const v2 = join(root, 'data', 'imagenetv2', 'imagenetv2-matched-frequency-format-val');
      await cp(from('train'), join(imagenet, 'train', ids[i]!), { recursive: true });
      await cp(from('test'), join(imagenet, 'val', ids[i]!), { recursive: true });
      await cp(from('val'), join(v2, String(i)), { recursive: true });
    }
    for (const folder of ['imagenet', 'imagenetv2'])
      await writeFile(join(root, 'data', folder, 'classnames.txt'), names);
    const { out, err, cells } = await bench(
      'data',
      '--suite',
      'domain',
      '--methods',
      'prototype',
      '--shots',
      '4',
    );
    expect(err).toContain('missing: imagenet-sketch: not found');
    expect(out).toMatch(/By test set +ImageNet, % +ImageNet-V2, %/);
    for (const on of ['ImageNet', 'ImageNet-V2'])
      expect(cells.filter((cell) => cell.on === on).map(({ total }) => total)).toEqual([6, 6, 6]);
    // Colours are recognised by their own colour, so that a wrong numbering of classes would be noticed.
    expect(Math.min(...cells.map(({ accuracy }) => accuracy))).toBe(1);
    // Without a suite each data set has a table. V2 has no examples, so only names are used.
    const each = await bench('data', '--methods', 'zero-shot,prototype,auto', '--shots', '2', '--seeds', '1');
    expect(each.status).toBe(0);
    expect(each.err).toContain('left out: auto on ImageNet-V2: auto needs labelled examples');
    expect(each.out).toContain('2 shots: there are no examples to learn from');
    expect(each.cells.map(({ data, method, shots }) => `${data} ${method} ${shots}`)).toEqual([
      'ImageNet zero-shot 2',
      'ImageNet prototype 2',
      'ImageNet auto 2',
      'ImageNet-V2 zero-shot 0',
    ]);
  });

  it('identifies a cell by everything that affects it: labels, groups and splits of the pictures, names and prompts, views', async () => {
    const folder = join(root, 'listed');
    await cp(join(root, 'photos'), join(folder, 'images'), { recursive: true });
    const rows = Object.entries(SPLITS).flatMap(([split, count]) =>
      Object.keys(COLOURS).flatMap((label) =>
        Array.from({ length: count }, (_, i) => [
          `images/${split}/${label}/${split}-${i}.png`,
          label,
          split,
          '',
        ]),
      ),
    );
    const write = (changed: string[][], classes = '') =>
      Promise.all([
        writeFile(
          join(folder, 'index.csv'),
          [['path', 'label', 'split', 'group'], ...changed].map((row) => row.join(',')).join('\n'),
        ),
        classes === ''
          ? rm(join(folder, 'classes.csv'), { force: true })
          : writeFile(join(folder, 'classes.csv'), classes),
      ]);
    const located = { path: folder, name: 'listed', kind: 'pictures' } as const;
    const encoder = join(root, 'encoder');
    const fingerprint = async (change: Partial<OpenOptions> = {}) => {
      const options = { encoder, shots: 4, seeds: [1], validation: true, ...change };
      return (await openSource(located, options)).fingerprint;
    };
    const other = (at: number, column: number, value: string) =>
      rows.map((row, i) => (i === at ? row.with(column, value) : row));
    await write(rows);
    const seen = [await fingerprint(), await fingerprint({ views: 2 })];
    const last = rows.length - 1;
    for (const changed of [
      other(0, 1, 'green'),
      other(last, 1, 'red'),
      other(0, 2, 'val'),
      other(last, 2, 'val'),
      other(0, 3, 'burst'),
      other(1, 0, rows[0]![0]!.replace('0.png', '3.png')).filter((_, i) => i !== 3),
    ]) {
      await write(changed);
      seen.push(await fingerprint());
    }
    await write(rows, 'id,name,prompt\nred,red,crimson\ngreen,green,green\nblue,blue,blue\n');
    seen.push(await fingerprint());
    expect(new Set(seen).size).toBe(seen.length);
    await write(rows);
    expect(await fingerprint()).toBe(seen[0]);
  });

  it('names the equal weights of joined encoders', async () => {
    registerEncoder(fakeEncoder('fake'));
    const located = { path: join(root, 'photos'), name: 'joined', kind: 'pictures' } as const;
    const small = join(root, 'encoder');
    const source = await openSource(located, { encoder: `${small}+fake`, shots: 1, seeds: [1] });
    expect(source.encoder).toBe(`0.5*${small}+0.5*fake`);
  });
});
