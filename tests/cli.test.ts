import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { recordingIo } from '../src/cli/io.fixture.ts';
import { runCli } from '../src/cli/program.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { random } from '../src/math/random.ts';
import { UNCALIBRATED } from '../src/words.ts';
import { MAIN } from './built.ts';

vi.mock('../src/image/loader.ts', async (original) =>
  (await import('../src/classifier/fake-encoder.fixture.ts')).sharedDecoders(original),
);

/** Runs a command line in this process. */
async function tip(argv: string[], world: Parameters<typeof recordingIo>[0] = {}) {
  const io = recordingIo(world);
  const status = await runCli(argv, io);
  return { status, out: io.out(), err: io.err() };
}

/** Starts the program as a process, as a shell does. */
function start(argv: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, out, err }));
  return { child, ended };
}

const COLOURS = { red: [200, 40, 40], green: [40, 180, 60], blue: [40, 60, 200] } as const;
type Colour = keyof typeof COLOURS;

/** A noisy picture of one colour, different for each number. */
async function picture(colour: Colour, number: number): Promise<Buffer> {
  const { uniform } = random(colour, number);
  const side = 48;
  const data = Buffer.alloc(side * side * 3);
  for (let i = 0; i < data.length; i++)
    data[i] = Math.max(0, Math.min(255, COLOURS[colour][i % 3]! + 120 * (uniform() - 0.5)));
  return sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}

async function pictures(folder: string, colour: Colour, numbers: readonly number[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  return Promise.all(
    numbers.map(async (number) => {
      const path = join(folder, `${colour}-${number}.png`);
      await writeFile(path, await picture(colour, number));
      return path;
    }),
  );
}

let work: string;
const home = process.env.TIP_ADAPTER_HOME;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'tip-adapter-cli-'));
  process.env.TIP_ADAPTER_HOME = join(work, 'home');
});
afterAll(async () => {
  if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
  else process.env.TIP_ADAPTER_HOME = home;
  await rm(work, { recursive: true, force: true });
});

describe('the command line with a small encoder', () => {
  const at = (...parts: string[]) => join(work, ...parts);
  const classifier = () => at('colours.safetensors');
  let encoder: string;

  beforeAll(async () => {
    encoder = at('encoder');
    await writeSmallEncoder(encoder);
    for (const colour of Object.keys(COLOURS) as Colour[]) {
      await pictures(at('photos', 'train', colour), colour, [1, 2, 3, 4]);
      await pictures(at('photos', 'test', colour), colour, [5, 6, 7]);
    }
    const made = await tip(['fit', at('photos'), '-o', classifier(), '--encoder', encoder, '--shots', '3']);
    expect(made.err).not.toContain('error:');
    expect(made.status).toBe(0);
    expect(made.out).toMatch(/colours\.safetensors: 3 classes, 9 examples/);
  });

  it('writes a page that needs no other files', async () => {
    const page = at('page.html');
    const { status } = await tip(['eval', classifier(), at('photos'), '--report', page]);
    expect(status).toBe(0);
    const html = await readFile(page, 'utf8');
    expect(html.match(/data:image\/jpeg/g)?.length).toBeGreaterThanOrEqual(9);
    expect(html).toContain('9 of 9 new pictures');
    expect(html).not.toMatch(/(src|href)="https?:/);
  });

  it('names the labels that are most likely wrong', async () => {
    const mixed = at('mixed');
    await cp(at('photos', 'test'), mixed, { recursive: true });
    await pictures(join(mixed, 'red'), 'green', [20]);
    const { out } = await tip(['eval', classifier(), mixed, '--suspects']);
    expect(out.split('\n').filter((line) => line.includes('.png'))).toHaveLength(1);
    expect(out).toMatch(/green-20\.png +red .* green/);
  });

  describe('predict', () => {
    const test = () => at('photos', 'test');
    const predict = (...argv: string[]) => tip(['predict', classifier(), ...argv]);

    it('takes files, folders and patterns, each picture once, in natural order', async () => {
      const file = join(test(), 'red', 'red-5.png');
      const { status, out } = await predict(
        file,
        join(test(), 'green'),
        join(test(), '**', '*-6.png').replaceAll('\\', '/'),
        '--json',
      );
      expect(status).toBe(0);
      const { predictions, failures } = JSON.parse(out);
      expect(failures).toEqual([]);
      const seen = predictions.map(({ image }: { image: string }) => image.split(/[\\/]/).at(-1));
      expect(seen).toEqual([
        'red-5.png',
        'green-5.png',
        'green-6.png',
        'green-7.png',
        'blue-6.png',
        'red-6.png',
      ]);
      for (const { id, image, probability } of predictions) {
        expect(image).toContain(`${id}-`);
        expect(probability).toBeGreaterThan(0.5);
      }
    });

    it('prints a table that fits the terminal', async () => {
      const { out } = await tip(['predict', classifier(), test(), '--top', '3'], {
        terminal: true,
        width: 50,
      });
      const lines = out.trimEnd().split('\n');
      expect(lines).toHaveLength(2 + 9);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(50);
    });

    it('names unreadable pictures and answers the others', async () => {
      const folder = at('broken');
      const [good] = await pictures(folder, 'red', [9, 10]);
      await writeFile(join(folder, 'empty.png'), '');
      await writeFile(join(folder, 'text.jpg'), 'no picture');
      await copyFile(good!, join(folder, 'short.png'));
      await truncate(join(folder, 'short.png'), 2000);
      const { status, out, err } = await predict(folder, '--json');
      expect(status).toBe(3);
      const { predictions, failures } = JSON.parse(out);
      expect(predictions.map(({ id }: { id: string }) => id)).toEqual(['red', 'red']);
      const codes = failures.map(({ error }: { error: { code: string } }) => error.code);
      expect(codes).toEqual(['image/empty', 'image/truncated', 'image/not-an-image']);
      for (const name of ['empty.png', 'text.jpg', 'short.png']) expect(err).toContain(name);
      expect(JSON.parse(err.trimEnd().split('\n').at(-1) as string)).toMatchObject({
        error: { message: '3 of 5 pictures could not be read' },
      });
    });

    it('sorts pictures into folders of their classes and overwrites nothing', async () => {
      const sorted = at('sorted');
      const argv = [test(), '--copy-to', sorted];
      await mkdir(join(sorted, 'red'), { recursive: true });
      await writeFile(join(sorted, 'red', 'red-5.png'), 'was here first');
      const { status, err } = await predict(...argv);
      expect(status).toBe(0);
      expect(err).toMatch(/Copied 9 pictures to .*sorted: /);
      expect(await readFile(join(sorted, 'red', 'red-5.png'), 'utf8')).toBe('was here first');
      expect((await readdir(join(sorted, 'red'))).sort()).toEqual([
        'red-5 (2).png',
        'red-5.png',
        'red-6.png',
        'red-7.png',
      ]);
      expect((await readdir(join(sorted, 'blue'))).sort()).toEqual([
        'blue-5.png',
        'blue-6.png',
        'blue-7.png',
      ]);
      expect((await predict(...argv)).err).toMatch(
        /Copied 0 pictures to .*sorted; 9 pictures were already there/,
      );
      await predict(test(), '--copy-to', at('doubted'), '--reject', '1');
      expect(await readdir(at('doubted'))).toContain('unsure');
    });
  });

  describe('add and remove', () => {
    let changed: string;
    beforeEach(async () => {
      changed = at('changed.safetensors');
      await copyFile(classifier(), changed);
    });
    const counts = async () => {
      const { classes, examples } = JSON.parse((await tip(['info', changed, '--json'])).out);
      return [classes.length, examples.length];
    };

    it('add a new class by label, and remove it again with the same answers as before', async () => {
      const images = await pictures(at('more'), 'red', [30, 31]);
      const { status, out } = await tip(['add', changed, at('more'), '--label', '赤い 写真']);
      expect([status, out]).toEqual([0, expect.stringContaining('4 classes (+1), 11 examples (+2)')]);
      const answer = async (file: string) => {
        const { out: text } = await tip(['predict', file, images[0]!, '--json', '--top', '3']);
        const { ranking } = JSON.parse(text).predictions[0] as {
          ranking: { id: string; probability: number }[];
        };
        return ranking;
      };
      const before = await answer(classifier());
      await tip(['remove', changed, '--class', '赤い 写真']);
      expect(await counts()).toEqual([3, 9]);
      // A fit that starts from the previous state ends as near to the optimum as any fit, but not with equal last digits.
      for (const [i, { id, probability }] of (await answer(changed)).entries()) {
        expect(id).toBe(before[i]!.id);
        expect(probability).toBeCloseTo(before[i]!.probability, 2);
      }
    });

    it('take labelled folders, and examples by id; another file can be written', async () => {
      const other = at('other.safetensors');
      await tip(['add', changed, at('photos', 'test'), '-o', other]);
      expect(await counts()).toEqual([3, 9]);
      const { examples } = JSON.parse((await tip(['info', other, '--json'])).out);
      expect(examples).toHaveLength(18);
      await tip(['remove', other, '--example', examples[0].id, '--example', examples[1].id]);
      expect(JSON.parse((await tip(['info', other, '--json'])).out).examples).toHaveLength(16);
    });

    it('do not change the file if something is wrong', async () => {
      const before = await readFile(changed);
      const unknown = await tip(['remove', changed, '--class', 'rde']);
      expect([unknown.status, unknown.err]).toEqual([2, expect.stringContaining('Did you mean "red"?')]);
      const nameless = await tip(['add', changed, at('photos', 'test', 'red', 'red-5.png')]);
      expect([nameless.status, nameless.err]).toEqual([2, expect.stringContaining('--label')]);
      await writeFile(at('text.png'), 'no picture');
      expect((await tip(['add', changed, at('text.png'), '--label', 'red'])).status).toBe(3);
      expect(await readFile(changed)).toEqual(before);
    });
  });

  it('refuses data without classes, one class only, and an altered classifier', async () => {
    const fit = (data: string) => tip(['fit', data, '-o', at('never.safetensors'), '--encoder', encoder]);
    await cp(at('photos', 'train', 'red'), at('one-class', 'red'), { recursive: true });
    const one = await fit(at('one-class'));
    expect([one.status, one.err]).toEqual([3, expect.stringContaining('needs two classes')]);
    expect((await fit(at('nowhere'))).status).toBe(3);
    expect(existsSync(at('never.safetensors'))).toBe(false);

    const altered = at('altered.safetensors');
    const bytes = await readFile(classifier());
    await writeFile(altered, bytes.subarray(0, bytes.length - 100));
    const { status, err } = await tip(['predict', altered, at('photos', 'test')]);
    expect([status, err]).toEqual([
      4,
      expect.stringContaining('altered.safetensors is not a usable classifier'),
    ]);
  });

  it('refuses the classifier of another encoder and names both', async () => {
    const moved = at('moved');
    const other = at('moved.safetensors');
    await cp(encoder, moved, { recursive: true });
    await tip(['fit', at('photos'), '-o', other, '--encoder', moved, '--shots', '1']);
    const config = join(moved, 'preprocessor_config.json');
    const changed = JSON.parse(await readFile(config, 'utf8'));
    await writeFile(config, JSON.stringify({ ...changed, image_mean: [0.5, 0.5, 0.5] }));
    const { status, err } = await tip(['predict', other, at('photos', 'test')]);
    expect(status).toBe(4);
    expect(err).toMatch(/fitted with .*moved \([0-9a-f]{12}\); the encoder here is .*moved \([0-9a-f]{12}\)/);
  });

  it('works as a process: only data on stdout, relative paths, no colour in a pipe', async () => {
    const image = relative(process.cwd(), at('photos', 'test', 'blue', 'blue-5.png'));
    const { status, out, err } = await start(['predict', classifier(), image, '--json']).ended;
    expect([status, err]).toEqual([0, `${UNCALIBRATED}\n`]);
    expect(JSON.parse(out)).toMatchObject({ predictions: [{ image, id: 'blue', calibrated: false }] });
  });

  it('ends without an error when its reader closes the pipe', async () => {
    const { child, ended } = start(['info', classifier()]);
    child.stdout.destroy();
    const { status, err } = await ended;
    expect([status, err]).toEqual([0, '']);
  });
});

describe('the program as a process', () => {
  it.each([
    ['what is not a command', ['fti'], 2],
    ['data that is not there', ['fit', 'nowhere', '-o', 'never.safetensors'], 3],
    ['a classifier that is not there', ['predict', 'nowhere.safetensors', 'x.png'], 4],
  ])('ends with its own status for %s, and prints one error', async (_, argv, expected) => {
    const { status, out, err } = await start(argv).ended;
    expect([status, out]).toEqual([expected, '']);
    expect(err.match(/^error: /gm)).toHaveLength(1);
  });

  it('colours errors with FORCE_COLOR, but not with NO_COLOR', async () => {
    const sequence = '\u001b[';
    const coloured = await start(['fti'], { FORCE_COLOR: '1' }).ended;
    expect(coloured.err).toContain(sequence);
    const plain = await start(['fti'], { NO_COLOR: '1' }).ended;
    expect(plain.err).not.toContain(sequence);
  });

  it('stops at Ctrl-C, says that finished work is kept, and ends with 130', async () => {
    // The hub accepts a request and never answers. Its request shows that the program is working.
    const hub = createServer();
    await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
    const { port } = hub.address() as AddressInfo;
    try {
      const asked = once(hub, 'request');
      const { child, ended } = start(['encoders', 'pull', 'hf:some/encoder'], {
        HF_ENDPOINT: `http://127.0.0.1:${port}`,
        TIP_ADAPTER_HOME: join(work, 'interrupted'),
      });
      await asked;
      child.kill('SIGINT');
      const { status, out, err } = await ended;
      expect([status, out]).toEqual([130, '']);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      expect(err).toMatch(/kept/);
    } finally {
      hub.closeAllConnections();
      hub.close();
    }
  });
});
