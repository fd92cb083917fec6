import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';

/** Nouns that messages count, in the singular. */
const NOUNS = [
  ...['picture', 'class', 'example', 'file', 'folder', 'row', 'column', 'label', 'link', 'entry', 'index'],
  ...['prompt', 'token', 'shot', 'view', 'fold', 'draw', 'fit', 'epoch', 'step', 'round', 'change', 'method'],
  ...['dimension', 'number', 'byte', 'value', 'field', 'group', 'split', 'data set', 'mistake', 'kind'],
  ...['request', 'core', 'key', 'head', 'word', 'character', 'element', 'tensor', 'input', 'output', 'block'],
];
const pluralOf = (noun: string) =>
  noun === 'index' ? 'indexes' : noun.replace(/y$/, 'ie').replace(/ss$/, 'sse').concat('s');
const ONES = NOUNS.join('|');
const MANY = NOUNS.map(pluralOf).join('|');
const ADJECTIVES = '(?:(?:new|test|training|validation|left-out|missing|further|learnt|unknown) )?';

/** Counts whose words do not agree with them: `1 pictures`, `0 class`, `2 picture`, `1 picture are`. */
const DISAGREEMENTS = [
  new RegExp(`(?<![\\d.,/-])1 ${ADJECTIVES}(?:${MANY})\\b`, 'g'),
  new RegExp(`(?<![\\d.,])(?:0|[2-9]|\\d+\\d) ${ADJECTIVES}(?:${ONES})\\b(?! \\d)`, 'g'),
  new RegExp(`(?<![\\d.,/-])1 ${ADJECTIVES}(?:${ONES}) (?:are|were|have|do)\\b`, 'g'),
  new RegExp(`(?<![\\d.,])(?:0|[2-9]|\\d+\\d) ${ADJECTIVES}(?:${MANY}) (?:is|was|has|does)\\b`, 'g'),
  /\(s\)/g,
];

function disagreements(text: string): string[] {
  return DISAGREEMENTS.flatMap((pattern) => [...text.matchAll(pattern)].map(([found]) => found));
}

it('finds words that do not agree with their count', () => {
  for (const wrong of [
    '1 pictures',
    '0 class',
    '2 new picture',
    '1 picture are',
    '21 entry',
    '3 files is',
    '1 fold(s)',
  ])
    expect(disagreements(`There: ${wrong}.`), wrong).not.toEqual([]);
  for (const right of [
    '1 picture is',
    '0 classes',
    '11 pictures are',
    '1.1 pictures',
    '0 to 1 row',
    'top-1 examples',
  ])
    expect(disagreements(right), right).toEqual([]);
});

describe('words agree with their counts in the source', () => {
  it('have no fixed plural after a number in a template', async () => {
    const src = join(import.meta.dirname, '..');
    const files = (await readdir(src, { recursive: true }))
      .map((file) => file.replaceAll('\\', '/'))
      .filter((file) => /\.tsx?$/.test(file) && !/\.(test|fixture)\.|messages\.zh/.test(file));
    expect(files.length).toBeGreaterThan(300);
    const found: string[] = [];
    // A constant in capitals is a limit, and no limit is 1.
    const pattern = new RegExp(
      `\\$\\{(?![A-Z_]+\\}|.*?\\.toFixed)[^{}]*\\}(?<!x \\$\\{[^{}]*\\}) ${ADJECTIVES}(?:${MANY})\\b`,
      'g',
    );
    for (const file of files) {
      const text = await readFile(join(src, file), 'utf8');
      for (const [place] of text.matchAll(pattern)) found.push(`${posix.normalize(file)}: ${place}`);
    }
    expect(found).toEqual([]);
  });
});

describe('words agree with their counts in what the commands print', () => {
  let root: string;
  const home = process.env.TIP_ADAPTER_HOME;
  const at = (...parts: string[]) => join(root, ...parts);

  /** Different pictures of one class in each folder, and the folder's other files. */
  async function data(name: string, classes: Readonly<Record<string, number>>, more: readonly string[] = []) {
    for (const [label, count] of Object.entries(classes)) {
      await mkdir(at(name, label), { recursive: true });
      for (let i = 0; i < count; i++) {
        const background = {
          r: (37 * (label.length + i)) % 256,
          g: (91 * label.charCodeAt(0)) % 256,
          b: 20 * i,
        };
        const picture = sharp({ create: { width: 40 + 8 * i, height: 40, channels: 3, background } });
        await picture.png().toFile(at(name, label, `${i}.png`));
      }
    }
    for (const file of more) {
      await mkdir(dirname(at(name, file)), { recursive: true });
      await writeFile(at(name, file), 'not a picture');
    }
    return at(name);
  }

  async function output(argv: readonly string[], lines: string[] = []): Promise<string> {
    const io = recordingIo({ lines });
    await runCli(argv, io);
    const text = `${io.out()}\n${io.err()}`.replaceAll(root, '');
    expect(text.trim(), argv.join(' ')).not.toBe('');
    expect(text, argv.join(' ')).not.toMatch(/fault of the program/);
    expect(disagreements(text), `${argv.join(' ')}\n${text}`).toEqual([]);
    return text;
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'counts-'));
    process.env.TIP_ADAPTER_HOME = at('home');
    await writeSmallEncoder(at('encoder'));
  });

  afterAll(async () => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
    await rm(root, { recursive: true, force: true });
  });

  const fit = (source: string, to: string, ...rest: string[]) =>
    output(['fit', source, '-o', at(to), '--encoder', at('encoder'), ...rest]);

  it('of training data with 0, 1 and 2 of everything', async () => {
    await fit(await data('none', {}), 'x');
    await fit(await data('one-class', { cat: 1 }), 'x');
    await fit(await data('ones', { cat: 1, dog: 1 }), 'ones.safetensors');
    await fit(await data('twos', { cat: 2, dog: 2 }), 'twos.safetensors', '--method', 'tip-adapter');
    await fit(at('twos'), 'x', '--shots', '1', '--method', 'tip-adapter-f', '--epochs', '1');
    await fit(await data('all-broken', {}, ['cat/a.png', 'dog/b.png']), 'x');
    const odd = [
      'cat/broken.png',
      'notes.txt',
      '.secret',
      'cat/.x.png',
      'Thumbs.db',
      'papers/readme.txt',
      'owl/a.png',
    ];
    await fit(await data('odd', { cat: 1, dog: 2 }, odd), 'x', '--shots', '2');
    await fit(
      await data('split', { 'train/cat': 1, 'train/dog': 1, 'test/cat': 1, 'val/dog': 1 }),
      'x',
      '--tune',
      'val',
    );
  }, 300_000);

  it.each([
    ['no row', 'path,label\n'],
    ['a row that leads nowhere, and an unused column', 'path,label,note\ncat/9.png,cat,1\n'],
    ['a row of an unknown split', 'path,label,split\ncat/0.png,cat,train\ndog/0.png,dog,odd\n'],
    [
      'a row of everything',
      'path,label\ncat/0.png,cat\ncat/0.png,cat\ndog/0.png,dog\ndog/none.png,dog\n,dog\n',
    ],
  ])('of a table with %s', async (name, table) => {
    await data(name, { cat: 1, dog: 1 });
    await writeFile(at(name, 'index.csv'), table);
    await fit(at(name), 'x');
  });

  it('of answers, measures and changes', async () => {
    const [ones, twos] = [at('ones.safetensors'), at('twos.safetensors')];
    const cat = at('ones', 'cat', '0.png');
    await output(['predict', ones, cat]);
    await output(['predict', ones, at('twos')]);
    await output(['predict', ones, cat, '--copy-to', at('sorted')]);
    await output(['predict', ones, cat, '--copy-to', at('sorted')]);
    await output(['predict', ones, cat, at('odd', 'cat', 'broken.png')]);
    await output(['predict', ones, at('all-broken')]);
    await output(['predict', ones, at('none')]);
    await output(['predict', ones, '-'], []);
    await output(['explain', ones, cat, '--top', '1']);
    await output(['eval', ones, at('ones')]);
    await output(['eval', ones, await data('test', { cat: 1, cow: 1, dog: 0 }, ['dog/broken.png'])]);
    await output(['eval', ones, await data('new', { cat: 3, dog: 3 })]);
    await output(['eval', ones, at('new'), '--suspects']);
    await output(['compare', ones, twos, at('new')]);
    await output(['compare', ones, twos, at('ones')]);
    await output(['info', ones]);
    await output(['export', ones, '--to', 'report', '-o', at('card.md'), '--data', at('new')]);
    expect(disagreements(await readFile(at('card.md'), 'utf8'))).toEqual([]);
    await output(['add', ones, at('new', 'cat', '2.png'), '--label', 'cat', '-o', at('more.safetensors')]);
    await output(['add', ones, cat, '--label', 'cat', '-o', at('same.safetensors')]);
    await output(['add', ones, cat, '--label', 'dog', '-o', at('both.safetensors')]);
    await output(['add', ones, at('odd'), '-o', at('more.safetensors')]);
    await output(['add', ones, at('new', 'cat', '2.png'), '--label', 'owl', '-o', at('owl.safetensors')]);
    await output(['remove', at('owl.safetensors'), '--class', 'owl']);
    await output(['remove', ones, '--class', 'cat']);
    const bench = [
      'bench',
      at('new'),
      '--encoders',
      at('encoder'),
      '--methods',
      'zero-shot,prototype',
      '-o',
      at('bench'),
    ];
    await output([...bench, '--shots', '1', '--seeds', '1']);
    await output([...bench, '--shots', '1,2', '--seeds', '1,2']);
    for (const file of (await readdir(at('bench'), { recursive: true })).filter((name) =>
      /\.(md|html)$/.test(name),
    ))
      expect(disagreements(await readFile(at('bench', file), 'utf8')), file).toEqual([]);
    for (const command of ['doctor', 'encoders list', 'data check .']) await output(command.split(' '));
  }, 300_000);
});
