import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import stringWidth from 'string-width';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { renderText } from '../report/table.ts';
import { recordingIo } from './io.fixture.ts';
import { tableLines } from './print.ts';
import { runCli } from './program.ts';
import { renderBar } from './progress.ts';
import { wrap } from './screen.ts';
import { processIo } from './terminal.ts';

const WIDTHS = [0, 1, 20, 40, 80, 200, undefined];

/** Wide characters, an emoji of several, combining marks, right-to-left, and characters without a width. */
const NAMES = [
  '猫と犬の写真',
  '👩‍👩‍👧‍👦 family',
  'Zo\u0308e\u0301\u0323\u0302',
  'قطة صغيرة',
  '\u200b\u200d',
  'e\u0301'.repeat(60),
  '全'.repeat(60),
];

const table = {
  columns: [
    { title: '写真', value: (name: string) => name },
    { title: 'Answer', value: (name: string) => [...name].reverse().join('') },
    { title: 'Sure', value: () => 0.5 },
  ],
  rows: NAMES,
};
/** Three columns of four characters with gaps, the smallest width of a table. */
const NARROWEST = 3 * 4 + 2 * 2;

describe('at every width of a terminal', () => {
  it.each(WIDTHS)('%s columns: tables, bars and notes are not wider, if possible', (width) => {
    const limit = Math.max(width ?? Number.POSITIVE_INFINITY, NARROWEST);
    for (const line of renderText(table, { width }).split('\n'))
      expect(stringWidth(line)).toBeLessThanOrEqual(limit);
    for (const title of NAMES) {
      for (const state of [
        { done: 0 },
        { done: 1, total: 1 },
        { done: 3, total: 0 },
        { done: 5e9, total: 6e9, unit: 'bytes' as const },
      ]) {
        const bar = renderBar(title, { ...state, facts: title }, 12.5, width ?? 80);
        expect(stringWidth(bar)).toBeLessThan(Math.max(width ?? 80, 1));
      }
      const widest = Math.max(...title.split(' ').map((word) => stringWidth(word)), 4);
      for (const line of wrap(`The file ${title} is left out.`, width).split('\n'))
        expect(stringWidth(line)).toBeLessThanOrEqual(Math.max(width ?? Number.POSITIVE_INFINITY, widest));
    }
  });
});

describe('the streams of the process', () => {
  const streams = [process.stdout, process.stderr] as const;
  const before = new Map(streams.map((stream) => [stream, { isTTY: stream.isTTY, columns: stream.columns }]));
  const define = (stream: NodeJS.WriteStream, facts: { isTTY?: boolean; columns?: number }) => {
    for (const [name, value] of Object.entries(facts))
      Object.defineProperty(stream, name, { value, configurable: true, writable: true });
  };

  /** The output of a table, an error, a note and a bar. */
  function written(
    isTTY: boolean,
    columns: number | undefined,
    environment: Readonly<Record<string, string>>,
  ) {
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) vi.stubEnv(name, environment[name]);
    const texts = { out: '', err: '' };
    const catching = (name: keyof typeof texts) => (text: string | Uint8Array) => {
      texts[name] += text;
      return true;
    };
    for (const stream of streams) define(stream, { isTTY, columns });
    vi.spyOn(process.stdout, 'write').mockImplementation(catching('out'));
    vi.spyOn(process.stderr, 'write').mockImplementation(catching('err'));
    const io = processIo(new AbortController().signal, () => {});
    io.print(tableLines(io, table));
    io.tell({ style: 'red', mark: 'error:', text: NAMES.join(' ') });
    const bar = io.progress('Encoding');
    for (let done = 0; done < 1000; done++) bar.update({ done, total: 1000 });
    io.note(`A note about ${NAMES[0]}`);
    bar.done();
    vi.restoreAllMocks();
    return texts;
  }

  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    for (const [stream, facts] of before) define(stream, facts);
  });

  const ESCAPE = '\u001b';

  it.each(WIDTHS)('%s columns: lines fit, with 80 columns if the terminal has no width', (columns) => {
    const { out, err } = written(true, columns, { TERM: 'xterm', NO_COLOR: '1' });
    const width = columns || 80;
    expect(out).toBe(written(true, width, { TERM: 'xterm', NO_COLOR: '1' }).out);
    expect(out).not.toContain(ESCAPE);
    for (const line of out.split('\n'))
      expect(stringWidth(line)).toBeLessThanOrEqual(Math.max(width, NARROWEST));
    // The bar is drawn, and erased before the note. NO_COLOR affects only colours.
    expect(err.includes('\r\u001b[K')).toBe(true);
    expect(err.split('\n').at(-1)).toBe('');
  });

  it.each([
    ['a terminal', true, {}, true, true],
    ['a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false, true],
    ['a terminal with an empty NO_COLOR', true, { NO_COLOR: '' }, true, true],
    ['a terminal with NO_COLOR and FORCE_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false, true],
    ['a terminal with FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false, true],
    ['a terminal that is dumb', true, { TERM: 'dumb' }, false, false],
    ['a dumb terminal with FORCE_COLOR', true, { TERM: 'dumb', FORCE_COLOR: '1' }, true, false],
    ['a file', false, {}, false, false],
    ['a file with FORCE_COLOR', false, { FORCE_COLOR: '3' }, true, false],
    ['a file with an empty FORCE_COLOR', false, { FORCE_COLOR: '' }, false, false],
  ] as const)('%s', (_, isTTY, environment, colours, bars) => {
    const { out, err } = written(isTTY, isTTY ? 60 : undefined, { TERM: 'xterm', ...environment });
    expect(out.includes(`${ESCAPE}[1m`)).toBe(colours);
    expect(err.includes(`${ESCAPE}[31m`)).toBe(colours);
    expect(err.includes('\r')).toBe(bars);
    if (!colours) expect(out).not.toContain(ESCAPE);
    if (!colours && !bars) expect(err).not.toContain(ESCAPE);
    // Without a terminal there is no progress, only two lines.
    if (!isTTY) expect(err.trimEnd().split('\n')).toHaveLength(2);
  });
});

describe('the commands', () => {
  let root: string;
  const home = process.env.TIP_ADAPTER_HOME;
  const at = (...parts: string[]) => join(root, ...parts);
  const LABELS = {
    猫と犬の写真がたくさん: '#d02020',
    '👩‍👩‍👧‍👦 family': '#20b040',
    'Zo\u0308e\u0301': '#2040d0',
  };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'widths-'));
    process.env.TIP_ADAPTER_HOME = at('home');
    await writeSmallEncoder(at('encoder'));
    for (const [label, background] of Object.entries(LABELS)) {
      await mkdir(at('photos', label), { recursive: true });
      for (let i = 0; i < 3; i++) {
        const picture = sharp({ create: { width: 40 + 9 * i, height: 40 + i, channels: 3, background } });
        await picture.png().toFile(at('photos', label, `長い名前の写真その${i}.png`));
      }
    }
    const fit = ['fit', at('photos'), '--encoder', at('encoder'), '--shots', '2', '-o'];
    const io = recordingIo();
    expect(await runCli([...fit, at('pets.safetensors')], io), io.err()).toBe(0);
    expect(await runCli([...fit, at('other.safetensors'), '--method', 'zero-shot'], io), io.err()).toBe(0);
  }, 240_000);

  afterAll(async () => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
    await rm(root, { recursive: true, force: true });
  });

  it.each(WIDTHS)(
    '%s columns: no table is wider, if that can be',
    async (width = 0) => {
      const pets = at('pets.safetensors');
      const lines = [
        ['predict', pets, at('photos'), '--top', '2'],
        ['explain', pets, at('photos', Object.keys(LABELS)[0]!, '長い名前の写真その0.png')],
        ['eval', pets, at('photos')],
        ['eval', pets, at('photos'), '--suspects'],
        ['compare', pets, at('other.safetensors'), at('photos')],
        ['info', pets],
        ['encoders', 'list'],
        ['data', 'check', at('photos')],
        ['doctor'],
        ['fit', '--help'],
        ['--help'],
      ];
      for (const line of lines) {
        const io = recordingIo({ terminal: true, width: width || 80 });
        expect([0, 3, 4], `${line.join(' ')}\n${io.err()}`).toContain(await runCli(line, io));
        for (const rule of io
          .out()
          .split('\n')
          .filter((text) => /^─/.test(text))) {
          const narrowest = rule.split('  ').length * 6 - 2;
          expect(stringWidth(rule), line.join(' ')).toBeLessThanOrEqual(Math.max(width || 80, narrowest));
        }
      }
    },
    120_000,
  );
});
