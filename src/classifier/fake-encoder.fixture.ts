import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll } from 'vitest';
import { nameKey } from '../dataset/names.ts';
import type { Encoder } from '../encoder/types.ts';
import type { Pixels } from '../image/types.ts';
import { fromRows } from '../math/matrix.ts';
import { random } from '../math/random.ts';

const SIDE = 16;

export interface FakeEncoder extends Encoder {
  /** The number of crops and the texts that it has embedded so far. */
  readonly asked: { images: number; texts: string[]; closed: number };
}

/**
 * An encoder without a model. A picture's embedding is the mean of each channel in each quadrant and in the whole picture. A text's
 * embedding is pseudo-random with the text as seed. `fingerprint` is one hexadecimal digit, repeated.
 */
export function fakeEncoder(id = 'fake', fingerprint = 'a', logitScale = 10): FakeEncoder {
  const asked = { images: 0, texts: [] as string[], closed: 0 };
  return {
    id,
    asked,
    fingerprint: fingerprint.repeat(64),
    dimension: 16,
    logitScale,
    preprocessing: {
      resize: 'shortest',
      resizeTo: SIDE,
      crop: SIDE,
      filter: 'bicubic',
      channels: 'rgb',
      layout: 'nchw',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    },
    defaults: { alpha: 1, beta: 5.5, maxBeta: 20, template: 'a photo of a {}.' },
    licence: 'MIT',
    source: 'fixture',
    embedImages: async (pixels) => {
      asked.images += pixels.length;
      return fromRows(pixels.map(statistics));
    },
    embedTexts: async (texts) => {
      asked.texts.push(...texts);
      return fromRows(texts.map((text) => Array.from({ length: 16 }, numbers('text', text))));
    },
    close: async () => {
      asked.closed++;
    },
  };
}

/** Means of 3 channels in 4 quadrants, their means over the picture, and the difference of the halves: [16]. */
function statistics({ width, height, data }: Pixels): number[] {
  const quadrants = new Array<number>(12).fill(0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const quadrant = 2 * Number(y >= height / 2) + Number(x >= width / 2);
      for (let k = 0; k < 3; k++) {
        quadrants[quadrant * 3 + k]! +=
          (data[(y * width + x) * 3 + k]! - 127.5) / ((127.5 * width * height) / 4);
      }
    }
  }
  const colours = [0, 1, 2].map((k) => [0, 3, 6, 9].reduce((sum, q) => sum + quadrants[q + k]! / 4, 0));
  return [...quadrants, ...colours, quadrants[0]! - quadrants[11]!];
}

/** Numbers in -1..1 that depend on the names alone. */
function numbers(...names: (string | number)[]): () => number {
  const source = random(...names);
  return () => 2 * source.uniform() - 1;
}

/** A PNG of four coloured quadrants. `kind` sets the colours, and `number` changes each a little. */
export async function picture(kind: string, number: number): Promise<Buffer> {
  const common = Array.from({ length: 12 }, numbers('kind', nameKey(kind)));
  const own = Array.from({ length: 12 }, numbers('picture', nameKey(kind), number));
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
    const at = 3 * (2 * Number(y >= SIDE / 2) + Number(x >= SIDE / 2)) + (i % 3);
    data[i] = Math.round(127.5 + 95 * common[at]! + 32 * own[at]!);
  }
  return sharp(data, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();
}

/** Writes files (by relative path) and returns their folder. */
export async function writeFiles(
  folder: string,
  files: Record<string, Uint8Array | string>,
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  return folder;
}

/** Writes pictures 0 to n - 1 (or the numbers given) of each class, `<class>/<number>.png`. */
export async function writePictures(
  folder: string,
  classes: Record<string, number | number[]>,
): Promise<string> {
  for (const [kind, wanted] of Object.entries(classes)) {
    await mkdir(join(folder, kind), { recursive: true });
    for (const number of typeof wanted === 'number' ? Array(wanted).keys() : wanted) {
      await writeFile(join(folder, kind, `${number}.png`), await picture(kind, number));
    }
  }
  return folder;
}

/**
 * For `vi.mock('../image/loader.ts')`: all classifiers of a test file share their decoding processes, because starting processes takes
 * most of the time of a small fit.
 */
export async function sharedDecoders(
  original: () => Promise<unknown>,
): Promise<typeof import('../image/loader.ts')> {
  const { createImageLoader } = (await original()) as typeof import('../image/loader.ts');
  const shared = new Map<string, ReturnType<typeof createImageLoader>>();
  return {
    createImageLoader: (options) => {
      const key = JSON.stringify(options ?? {});
      const loader = shared.get(key) ?? createImageLoader(options);
      shared.set(key, loader);
      return { ...loader, close: async () => {} };
    },
  };
}

/** Makes a temporary folder for a test file, with the feature cache in it, and returns a function that joins paths inside it. */
export function workspace(): (...parts: string[]) => string {
  let root = '';
  const home = process.env.TIP_ADAPTER_HOME;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tip-classifier-'));
    process.env.TIP_ADAPTER_HOME = join(root, 'home');
  });
  afterAll(async () => {
    if (home === undefined) delete process.env.TIP_ADAPTER_HOME;
    else process.env.TIP_ADAPTER_HOME = home;
    await rm(root, { recursive: true, force: true });
  });
  return (...parts) => join(root, ...parts);
}
