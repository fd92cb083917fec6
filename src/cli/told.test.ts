import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../dataset/read.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { random } from '../math/random.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';
import { tellData } from './told-data.ts';

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

async function tip(...argv: string[]) {
  const io = recordingIo();
  const status = await runCli(argv, io);
  return { status, out: io.out(), err: io.err() };
}

const SIDE = 8;

/** A picture of random pixels, of which one channel is brighter. */
async function picture(path: string, channel: number, seed = 1): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draw = random(basename(path), channel, seed);
  const data = Uint8Array.from({ length: 3 * SIDE ** 2 }, (_, i) =>
    Math.floor((i % 3 === channel ? 130 : 0) + 120 * draw.uniform()),
  );
  await sharp(data, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .resize(32, 32, { kernel: 'nearest' })
    .png()
    .toFile(path);
}

const home = process.env.TIP_ADAPTER_HOME;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'told-'));
  process.env.TIP_ADAPTER_HOME = at('home');
  await writeSmallEncoder(at('encoder'));
  for (const [name, channel] of [
    ['red', 0],
    ['green', 1],
    ['blue', 2],
  ] as const) {
    for (let i = 0; i < 5; i++) await picture(at('photos', name, `${i}.png`), channel, i);
  }
  // One label is wrong.
  await rename(at('photos', 'red', '4.png'), at('photos', 'blue', 'wrong.png'));
  await writeFile(at('photos', 'notes.txt'), 'x');
});
afterAll(async () => {
  if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
  else process.env.TIP_ADAPTER_HOME = home;
  await rm(root, { recursive: true });
});

describe('findings about the data are printed before anything is encoded', () => {
  it('--strict ends with an error if there is a warning, before the encoder is opened', async () => {
    await picture(at('codes', '1', 'a.png'), 0);
    await picture(at('codes', '2', 'a.png'), 2);
    for (const command of [
      ['fit', at('codes'), '-o', at('x'), '--encoder', at('encoder')],
      ['bench', at('codes'), '-o', at('bench'), '--encoders', at('encoder')],
      ['data', 'show', at('codes')],
    ]) {
      const { status, err } = await tip(...command, '--strict');
      expect([status, err]).toEqual([
        3,
        expect.stringMatching(
          /warning: 2 classes are named by a code[\s\S]*error: There is 1 warning about codes/,
        ),
      ]);
      expect(err).not.toContain('Encoder');
    }
  });

  it.each([
    [false, 'rejects'],
    [true, 'resolves'],
  ] as const)('a person who is asked about a doubtful reading and answers %s', async (answer, outcome) => {
    const asked: string[] = [];
    const io = recordingIo({ ask: async (question) => asked.push(question) > 0 && answer });
    await picture(at('one', 'cat', 'a.png'), 0);
    const told = tellData(await readDataset(at('one')), io, { askFrom: 1 });
    if (outcome === 'rejects')
      await expect(told).rejects.toMatchObject({ code: 'data/doubtful', exitCode: 3 });
    else await told;
    expect(asked).toHaveLength(1);
    await tellData(await readDataset(at('photos')), io, { askFrom: 1 });
    await tellData(await readDataset(at('one')), io, { askFrom: 2 });
    expect(asked).toHaveLength(1);
  });

  it('an error carries the findings before it, also as JSON', async () => {
    await mkdir(at('unusable'));
    await writeFile(at('unusable', 'index.csv'), 'name,kind\na,b\n');
    const { status, err } = await tip('data', 'show', at('unusable'));
    expect([status, err]).toEqual([3, expect.stringMatching(/^error:.*\nnoticed: index\.csv is not used/)]);
    const json = JSON.parse((await tip('data', 'show', at('unusable'), '--json')).err);
    expect(json.error.findings).toEqual([expect.objectContaining({ code: 'dataset/index-unused' })]);
  });
});

describe('an interrupted training', () => {
  const stop = new AbortController();
  const io = recordingIo({
    signal: stop.signal,
    progress: () => ({ update: ({ total, done }) => total === 300 && done === 9 && stop.abort(), done() {} }),
  });

  it('is named by fit and info, and no longer after --resume', async () => {
    const given = ['fit', at('photos'), '-o', at('rla.safetensors'), '--encoder', at('encoder')];
    const fit = [...given, '--method', 'rla', '--tune', 'fixed', '--json'];
    expect(await runCli(fit, io)).toBe(130);
    const interrupted = { epochs: expect.toBeOneOf([8, 9]), of: 300 };
    expect(JSON.parse(io.out())).toMatchObject({ interrupted });
    const { epochs } = JSON.parse(io.out()).interrupted;
    expect(io.err()).toContain(`rla.safetensors holds the result of ${epochs} epochs of 300`);
    const info = ['info', at('rla.safetensors')];
    expect((await tip(...info)).out).toContain(`The training was interrupted after ${epochs} epochs of 300`);
    expect(JSON.parse((await tip(...info, '--json')).out)).toMatchObject({ interrupted });
    const rest = await tip(...fit, '--resume');
    expect([rest.status, JSON.parse(rest.out).interrupted]).toEqual([0, undefined]);
    expect((await tip(...info)).out).not.toContain('interrupted');
  });

  it('is not one with the default number of epochs', async () => {
    for (const method of ['tip-adapter-f', 'taskres']) {
      const given = ['fit', at('photos'), '-o', at('whole.safetensors'), '--encoder', at('encoder')];
      const { status } = await tip(...given, '--method', method, '--tune', 'fixed');
      expect(status, method).toBe(0);
    }
  });
});

describe('data show', () => {
  it('prints classes and what is left out, and writes a page with pictures', async () => {
    await picture(at('shown', 'cat', '<b>.png'), 0);
    await picture(at('shown', 'dog', '1.png'), 0);
    await writeFile(at('shown', 'dog', '2.png'), 'no picture');
    const { status, out, err } = await tip('data', 'show', at('shown'), '--report', at('page.html'));
    expect(out).toMatch(/^2 classes, 3 pictures, read from .*\n\nClass +Pictures\n.*\ncat +1\ndog +2\n$/);
    expect([status, err]).toEqual([3, expect.stringContaining('error: 1 picture could not be read')]);
    const page = await readFile(at('page.html'), 'utf8');
    expect(page.match(/data:image\/jpeg/g)).toHaveLength(2);
    expect(page).toContain('no picture');
    expect(page).not.toContain('<b>.png');
  });

  it('lists all classes as JSON', async () => {
    const { status, out } = await tip('data', 'show', at('photos'), '--json');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      layout: '<class>/ folders',
      pictures: 15,
      classes: [{ id: 'blue', pictures: 6 }, { id: 'green' }, { id: 'red' }],
      findings: [{ code: 'dataset/found' }, { code: 'dataset/not-images' }],
    });
  });
});

describe('suspects among the examples', () => {
  it('are listed by fit and by eval on the same pictures', async () => {
    const fit = ['fit', at('photos'), '-o', at('c'), '--encoder', at('encoder'), '--method', 'prototype'];
    const fitted = await tip(...fit, '--suspects');
    expect(fitted.err).toMatch(
      /^3 classes, 15 pictures, read from <class>\/ folders\.\nThe smallest class has 4 pictures \("red"\), the largest 6 \("blue"\)\.\n1 file is left out.*\nEncoder/,
    );
    expect(fitted.out).toMatch(/are answered by their label if they are left out[\s\S]*wrong\.png +blue/);
    const refused = await tip('eval', at('c'), at('photos'));
    expect([refused.status, refused.err]).toEqual([3, expect.stringContaining('use --suspects')]);
    const { status, out } = await tip('eval', at('c'), at('photos'), '--suspects', '--json');
    expect(status).toBe(0);
    const { suspects, leftOutFolds, total, excluded } = JSON.parse(out);
    expect(suspects[0]).toMatchObject({ image: 'blue/wrong.png', label: 'blue', leftOut: true });
    expect([leftOutFolds > 1, total, excluded]).toEqual([true, 15, []]);
  });
});

describe('predict', () => {
  it('reads a zip by the rules of fit, and sorts its pictures', async () => {
    const bytes = await readFile(at('photos', 'red', '0.png'));
    await writeFile(at('in.zip'), zipSync({ 'a/0.png': bytes, 'a/old.bmp': bytes, '__MACOSX/0.png': bytes }));
    const predict = ['predict', at('c'), at('in.zip'), '--json', '--copy-to', at('sorted')];
    const { status, out, err } = await tip(...predict);
    expect(status, err).toBe(0);
    expect(JSON.parse(out).predictions).toEqual([
      expect.objectContaining({ image: at('in.zip', 'a', '0.png'), name: 'red' }),
    ]);
    expect(err).toContain('1 picture is left out, because its format is not supported');
    expect(await readFile(at('sorted', 'red', '0.png'))).toEqual(bytes);
  });

  it('writes its answers to a file, in the format of its ending', async () => {
    const [csv, json] = [at('answers.csv'), at('answers.json')];
    const predict = ['predict', at('c'), at('photos', 'red')];
    expect(await tip(...predict, '-o', csv)).toMatchObject({ status: 0, out: '' });
    expect(await readFile(csv, 'utf8')).toMatch(/^image,id,name,[\s\S]*0\.png,red,red,/);
    expect(await tip(...predict, '-o', json)).toMatchObject({ status: 0, out: '' });
    expect(JSON.parse(await readFile(json, 'utf8')).predictions).toHaveLength(4);
    expect((await tip(...predict, '-o', at('answers'))).status).toBe(2);
    expect((await tip(...predict, '-o', at('lines'), '--ndjson')).status).toBe(0);
    expect((await readFile(at('lines'), 'utf8')).trim().split('\n')).toHaveLength(4);
  });

  it('warns if a threshold rejects every picture, and chooses one on the examples', async () => {
    const predict = ['predict', at('c'), at('photos', 'red'), '--csv'];
    const all = await tip(...predict, '--reject', '1');
    expect(all.err).toMatch(
      /warning: All 4 pictures are below the threshold of 1; the largest probability is 0\.\d+/,
    );
    const some = await tip(...predict, '--reject', 'auto');
    expect(some.err).toMatch(/^Answers below a probability of 0\.\d+ are "none of these"/);
    expect(some.err).not.toContain('All 4');
  });
});

describe('eval', () => {
  it('prints thresholds, also against pictures of other things, and answers as CSV', async () => {
    await picture(at('others', 'grey.png'), 3);
    await picture(at('test', 'red', 'x.png'), 0);
    await picture(at('test', 'blue', 'x.png'), 2);
    const { status, out } = await tip('eval', at('c'), at('test'), '--unknown', at('others'));
    expect(status).toBe(0);
    expect(out).toMatch(
      /Reject below +Answered +Of these right +Unknown rejected\n.*\n0\.0000 +100\.0% +100\.0% +0\.0%/,
    );
    const csv = await tip('eval', at('c'), at('test'), '--csv');
    expect(csv.out).toMatch(
      /^image,label,id,probability,correct,rejected,error\r?\nblue\/x\.png,blue,blue,0\.\d+,true,false,\r?\n/,
    );
  });
});
