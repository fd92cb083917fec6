import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSafetensors } from '../store/safetensors.ts';
import { decode } from './decode.ts';
import { isImagePath } from './image-paths.ts';
import { createImageLoader } from './loader.ts';
import { pngOf } from './png.fixture.ts';
import { cropView, normalize } from './preprocess.ts';
import { type Raster, resizeToRgb } from './resize.ts';
import type { Preprocessing } from './types.ts';

const CLIP: Preprocessing = {
  resize: 'shortest',
  resizeTo: 224,
  crop: 224,
  filter: 'bicubic',
  channels: 'rgb',
  layout: 'nchw',
  scale: 1 / 255,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

const golden = join(import.meta.dirname, '../../../shared/golden/preprocess');
const noise = (width: number, height: number, channels: 1 | 2 | 3 | 4 = 3): Raster => ({
  width,
  height,
  channels,
  data: Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919 + (i >> 3) * 31) & 255),
});

describe.skipIf(!existsSync(golden))('agreement with Pillow (needs ../shared/golden/preprocess)', () => {
  const expected = existsSync(golden) ? JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) : {};
  const files = existsSync(golden) ? readdirSync(golden).filter((name) => /\.(png|jpg)$/.test(name)) : [];
  it.each(files)('%s: no level differs', async (file) => {
    const { tensors } = parseSafetensors(readFileSync(join(golden, 'expected.safetensors')));
    const crop = tensors.get(file) ?? tensors.get(file.replace('_decoded.png', '.jpg'));
    const picture = await decode(readFileSync(join(golden, file)), { exif: false });
    const got = cropView(picture, CLIP, 0, 0, '');
    expect(createHash('sha256').update(got.data).digest('hex')).toBe(
      createHash('sha256')
        .update(crop?.data as Uint8Array)
        .digest('hex'),
    );
    expect(expected).toBeDefined();
  });
});

describe('resize', () => {
  const whole = ({ width, height }: Raster) => ({ x: 0, y: 0, width, height });

  it('keeps a constant picture constant and a picture of the right size as it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(255),
        (width, height, level) => {
          const flat: Raster = {
            width,
            height,
            channels: 3,
            data: new Uint8Array(width * height * 3).fill(level),
          };
          const size = { width: 16, height: 16 };
          const out = resizeToRgb(flat, whole(flat), size, { x: 0, y: 0, ...size }, 'bicubic');
          expect(out.every((value) => value === level)).toBe(true);
        },
      ),
    );
    const picture = noise(20, 20);
    expect(resizeToRgb(picture, whole(picture), picture, whole(picture), 'bicubic')).toEqual(picture.data);
  });

  it('does not change a picture of the right size, even if alpha would change its colours', () => {
    const picture = noise(20, 20, 4);
    const rgb = picture.data.filter((_, i) => i % 4 < 3);
    expect(resizeToRgb(picture, whole(picture), picture, whole(picture), 'bicubic')).toEqual(rgb);
  });

  it('agrees with Pillow 13 on a small picture, smaller and larger', () => {
    const picture = noise(7, 5);
    const resized = (width: number, height: number, filter: 'bicubic' | 'bilinear') =>
      resizeToRgb(picture, whole(picture), { width, height }, { x: 0, y: 0, width, height }, filter);
    const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
    expect([...resized(3, 2, 'bicubic')]).toEqual([
      167, 184, 168, 106, 86, 84, 79, 132, 163, 152, 141, 117, 66, 53, 92, 160, 167, 206,
    ]);
    expect([...resized(3, 2, 'bilinear')]).toEqual([
      163, 176, 161, 106, 93, 94, 85, 131, 164, 147, 139, 122, 79, 66, 96, 153, 161, 199,
    ]);
    expect(sha256(resized(9, 8, 'bicubic'))).toBe(
      '512d2e830fc5a2e39a691b8a3f013627c9e8cdb6800b2c80fb1f1b8888a8c742',
    );
    expect(sha256(resized(9, 8, 'bilinear'))).toBe(
      '8bb5ac65a9bafef5b2b8819a53aaf62a1416107385ca37d78a7ec68f451fce0d',
    );
  });

  it('computes a window with the same values as the whole', () => {
    const picture = noise(60, 40);
    const size = { width: 30, height: 20 };
    const all = resizeToRgb(picture, whole(picture), size, { x: 0, y: 0, ...size }, 'bicubic');
    const part = resizeToRgb(picture, whole(picture), size, { x: 5, y: 3, width: 10, height: 7 }, 'bicubic');
    for (let y = 0; y < 7; y++) {
      const from = ((y + 3) * 30 + 5) * 3;
      expect(part.subarray(y * 30, y * 30 + 30)).toEqual(all.subarray(from, from + 30));
    }
  });
});

describe('the centre crop', () => {
  it('begins at the even pixel if the middle is between two, as in Python', () => {
    const spec = { ...CLIP, resizeTo: 6, crop: 6 };
    for (const [width, first] of [
      [7, 0],
      [9, 2],
      [11, 2],
    ] as const) {
      const picture = noise(width, 6);
      const { data } = cropView(picture, spec, 0, 0, '');
      expect([...data.subarray(0, 18)]).toEqual([...picture.data.subarray(first * 3, first * 3 + 18)]);
    }
  });

  // 'longest' is open_clip's ResizeKeepRatio, and the padding is torchvision's CenterCrop.
  it.each([
    ['longest', 6, { width: 6, height: 3, left: 0, top: 1 }],
    ['longest', 5, { width: 5, height: 2, left: 0, top: 1 }],
    ['shortest', 3, { width: 6, height: 3, left: 0, top: 1 }],
    ['squash', 3, { width: 3, height: 3, left: 1, top: 1 }],
  ] as const)(
    'after a resize (%s to %d) that leaves less than the crop adds black',
    (resize, resizeTo, inner) => {
      const [crop, picture] = [resizeTo === 5 ? 5 : 6, noise(60, 30)];
      const { data } = cropView(picture, { ...CLIP, resize, resizeTo, crop }, 0, 0, '');
      const { width, height, left, top } = inner;
      const box = { x: 0, y: 0, width: 60, height: 30 };
      const window = { x: 0, y: 0, width, height };
      const resized = resizeToRgb(picture, box, inner, window, 'bicubic');
      const expected = Array.from({ length: crop * crop * 3 }, (_, at) => {
        const [x, y] = [(Math.floor(at / 3) % crop) - left, Math.floor(at / 3 / crop) - top];
        const inside = x >= 0 && x < width && y >= 0 && y < height;
        return inside ? resized[(y * width + x) * 3 + (at % 3)] : 0;
      });
      expect([...data]).toEqual(expected);
    },
  );
});

describe('views', () => {
  const picture = noise(80, 60);
  const view = (number: number, seed = 1, sha = 'a') =>
    cropView(picture, { ...CLIP, crop: 32, resizeTo: 32 }, number, seed, sha).data;

  it('depend only on the picture, the seed and the number', () => {
    expect(view(1)).toEqual(view(1));
    expect(view(1)).not.toEqual(view(2));
    expect(view(1)).not.toEqual(view(1, 2));
    expect(view(1)).not.toEqual(view(1, 1, 'b'));
    expect(view(0)).toEqual(view(0, 2, 'b'));
  });

  it('work on pictures of any shape', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(20),
        (width, height, number) => {
          const { data } = cropView(noise(width, height), { ...CLIP, crop: 8, resizeTo: 8 }, number, 1, 'x');
          expect(data.length).toBe(8 * 8 * 3);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('normalize', () => {
  it('orders channels and planes as the encoder expects them', () => {
    const pixels = [{ width: 1, height: 2, data: Uint8Array.of(10, 20, 30, 40, 50, 60) }];
    const spec = { ...CLIP, crop: 1, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as Preprocessing;
    const two = [
      { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) },
      { width: 1, height: 1, data: Uint8Array.of(4, 5, 6) },
    ];
    expect([...normalize(two, spec)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...normalize(two, { ...spec, channels: 'bgr', mean: [1, 0, 0] })]).toEqual([2, 2, 1, 5, 5, 4]);
    expect([...normalize(two, { ...spec, layout: 'nhwc' })]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(pixels.length).toBe(1);
  });
});

describe('decoding', () => {
  const loader = createImageLoader();
  afterAll(() => loader.close());
  const request = { spec: { ...CLIP, crop: 16, resizeTo: 16 }, views: [0], seed: 1 };
  const base = sharp({ create: { width: 40, height: 30, channels: 3, background: '#c04020' } });

  it.each([
    ['image/empty', async () => new Uint8Array(0)],
    ['image/not-an-image', async () => Buffer.from('this is a text file that someone named photo.jpg')],
    [
      'image/truncated',
      async () =>
        (
          await sharp(noise(64, 64).data, { raw: { width: 64, height: 64, channels: 3 } })
            .jpeg()
            .toBuffer()
        ).subarray(0, 900),
    ],
    [
      'image/truncated',
      async () =>
        (
          await sharp(noise(64, 64).data, { raw: { width: 64, height: 64, channels: 3 } })
            .png()
            .toBuffer()
        ).subarray(0, 900),
    ],
    ['image/too-large', async () => hugePng()],
    ['image/truncated', () => half('gif')],
    ['image/truncated', () => half('webp')],
    ['image/truncated', () => half('tiff')],
    ['image/truncated', async () => cutTiff()],
    ['image/unsupported', async () => Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)])],
    [
      'image/unsupported',
      async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'),
    ],
  ])('refuses with %s', async (code, make) => {
    await expect(loader.load(await make(), request)).rejects.toMatchObject({ code, exitCode: 3 });
  });

  it('continues after a refusal', async () => {
    const pixels = (await loader.load(await base.png().toBuffer(), request))[0]!;
    expect([...pixels.data.subarray(0, 3)]).toEqual([0xc0, 0x40, 0x20]);
  });

  it.each([
    ['JPEG', () => base.jpeg().toBuffer()],
    ['CMYK JPEG', () => base.toColourspace('cmyk').jpeg().toBuffer()],
    ['16-bit PNG', () => base.toColourspace('rgb16').png().toBuffer()],
    ['WebP', () => base.webp().toBuffer()],
    ['TIFF', () => base.tiff().toBuffer()],
    ['AVIF', () => base.avif().toBuffer()],
  ])('reads %s as 8-bit RGB of about the right colour', async (_, make) => {
    const { data } = (await loader.load(await make(), request))[0]!;
    const off = [0xc0, 0x40, 0x20].map((level, k) => Math.abs(data[k]! - level));
    expect(Math.max(...off)).toBeLessThan(40);
  });

  it('resizes black and white without grey, as it does palettes', async () => {
    const { data, width, height } = noise(60, 50, 1);
    const bits = await sharp(data, { raw: { width, height, channels: 1 } })
      .threshold()
      .toColourspace('b-w')
      .tiff({ bitdepth: 1, compression: 'none' })
      .toBuffer();
    const pixels = (await loader.load(bits, request))[0]!;
    expect(new Set(pixels.data)).toEqual(new Set([0, 255]));
  });

  it('weighs grey by its alpha', async () => {
    const { data, width, height } = noise(40, 40, 2);
    const grey = await sharp(data, { raw: { width, height, channels: 2 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(2);
    const whole = { x: 0, y: 0, width: 16, height: 16 };
    const direct = resizeToRgb(
      { width, height, channels: 2, data },
      { ...whole, width, height },
      whole,
      whole,
      'bicubic',
    );
    expect((await loader.load(grey, request))[0]!.data).toEqual(direct);
  });

  it('shows the colour that a PNG declares to be transparent', async () => {
    const one = { width: 1, height: 1 };
    const colour = [0xc0, 0x40, 0x20];
    const rows = (levels: number[]) => Uint8Array.of(0, ...levels);
    const rgb = await decode(pngOf({ ...one, colourType: 2, rows: rows(colour), transparent: colour }));
    expect([rgb.channels, ...rgb.data]).toEqual([3, ...colour]);
    const grey = await decode(pngOf({ ...one, colourType: 0, rows: rows([77]), transparent: [77] }));
    expect([grey.channels, ...grey.data]).toEqual([1, 77]);
  });

  it('reads the first frame of an animation', async () => {
    const frame = (level: number) => Buffer.alloc(20 * 20 * 3, level);
    const gif = await sharp(Buffer.concat([frame(250), frame(10)]), {
      raw: { width: 20, height: 40, channels: 3, pageHeight: 20 },
    })
      .gif()
      .toBuffer();
    const picture = await decode(gif);
    expect([picture.width, picture.height, picture.palette]).toEqual([20, 20, true]);
    expect(picture.data[0]).toBeGreaterThan(200);
  });

  it('reads JPEG XL, and refuses a damaged one', async () => {
    // 3 x 2 pixels by libjxl, without loss.
    const bytes = Buffer.from('/woIQBAJCAABAHAASxiLFVJc0OMAAAICIJZeIAQA/E/1JOohxmpoBA==', 'base64');
    const { width, height, channels, data } = await decode(bytes);
    expect([width, height, channels]).toEqual([3, 2, 3]);
    expect([...data]).toEqual([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 100, 50, 255, 255, 255]);
    await expect(decode(bytes, { maxPixels: 5 })).rejects.toMatchObject({ code: 'image/too-large' });
    for (const damaged of [bytes.subarray(0, 20), bytes.map((byte, i) => (i === 12 ? byte ^ 255 : byte))])
      await expect(decode(damaged)).rejects.toMatchObject({ code: 'image/truncated' });
  });

  it('reads PGM and PPM, and refuses those that are cut short or written as text', async () => {
    const file = (head: string, ...values: number[]) =>
      Buffer.concat([Buffer.from(head), Buffer.from(values)]);
    const colours = await decode(file('P6\n# by a camera\n2 1\n255\n', 1, 2, 3, 250, 251, 252));
    expect(colours).toMatchObject({ width: 2, height: 1, channels: 3 });
    expect([...colours.data]).toEqual([1, 2, 3, 250, 251, 252]);
    const grey = await decode(file('P5 3 1 15 ', 0, 7, 15));
    expect([grey.channels, ...grey.data]).toEqual([1, 0, 119, 255]);
    // Pillow rounds 25.5 to 26 and 76.5 to 76.
    expect([...(await decode(file('P5 2 1 100\n', 10, 30))).data]).toEqual([26, 76]);
    expect([...(await decode(file('P5 2 1 65535\n', 0x80, 0, 0xff, 0xff))).data]).toEqual([128, 255]);
    // The header states the range: a dark picture stays dark.
    const dark = await decode(file('P6 1 1 4095\n', 0, 200, 0, 100, 0, 50));
    expect([...dark.data]).toEqual([12, 6, 3]);
    const short = file('P6 2 1 255\n', 1, 2, 3);
    await expect(decode(short)).rejects.toMatchObject({ code: 'image/truncated' });
    await expect(decode(file('P3 1 1 255 1 2 3'))).rejects.toMatchObject({ code: 'image/unsupported' });
    await expect(decode(file('P6 99999 99999 255 '))).rejects.toMatchObject({ code: 'image/too-large' });
  });

  it('reads HEIC from phones, and refuses a damaged one', async () => {
    // 48 x 32, orange with a blue quarter at the top left; made with libheif's encoder.
    const heic = readFileSync(join(import.meta.dirname, '../../tests/fixtures/two-colours.heic'));
    const picture = await decode(heic);
    expect([picture.width, picture.height]).toEqual([48, 32]);
    const at = (x: number, y: number) => [...picture.data.subarray((y * 48 + x) * 3, (y * 48 + x) * 3 + 3)];
    const near = (got: number[], wanted: number[]) =>
      got.every((level, k) => Math.abs(level - wanted[k]!) < 12);
    expect([near(at(5, 5), [32, 64, 192]), near(at(40, 25), [192, 64, 32])]).toEqual([true, true]);
    // In the second file, the first picture is red, and the second one, which is primary, is blue.
    const other = readFileSync(join(import.meta.dirname, '../../tests/fixtures/second-is-primary.heic'));
    const { data: primary } = await decode(other);
    expect(primary[0]).toBeLessThan(10);
    expect(primary[2]).toBeGreaterThan(245);
    await expect(decode(heic.subarray(0, 300))).rejects.toMatchObject({ code: 'image/truncated' });
    await expect(decode(heic, { maxPixels: 1000 })).rejects.toMatchObject({ code: 'image/too-large' });
    const crop = (await loader.load(heic, request))[0]!;
    expect(near([...crop.data.subarray(0, 3)], [32, 64, 192])).toBe(true);
  });

  it('turns a picture by its EXIF orientation, unless the option turns that off', async () => {
    const turned = await base.clone().jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await decode(turned)).toMatchObject({ width: 30, height: 40 });
    expect(await decode(turned, { exif: false })).toMatchObject({ width: 40, height: 30 });
  });

  it('makes small JPEGs', async () => {
    const small = await loader.thumbnail(await base.png().toBuffer(), 20);
    expect(await sharp(small).metadata()).toMatchObject({ format: 'jpeg', width: 20, height: 15 });
  });

  it('stops at once when the signal fires', async () => {
    const controller = new AbortController();
    const waiting = loader.load(await base.png().toBuffer(), request, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ exitCode: 130 });
  });

  it('recognises pictures by their names', () => {
    expect(['a.JPG', 'b.heic', 'c.webp'].every(isImagePath)).toBe(true);
    expect(['a.txt', 'jpg', 'b.svg'].some(isImagePath)).toBe(false);
  });
});

async function half(format: 'gif' | 'webp' | 'tiff'): Promise<Buffer> {
  const { data, width, height } = noise(64, 64);
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
  return bytes.subarray(0, bytes.length / 2);
}

/** A grey TIFF whose directory comes first, and whose pixels end too early. */
function cutTiff(): Buffer {
  const tags = [
    [256, 64],
    [257, 64],
    [258, 8],
    [259, 1],
    [262, 1],
    [273, 122],
    [277, 1],
    [278, 64],
    [279, 64 * 64],
  ] as const;
  const tiff = Buffer.alloc(122 + 1000, 0x7f);
  tiff.write('II*\0', 0, 'latin1');
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, value], k) => {
    const at = 10 + k * 12;
    tiff.writeUInt16LE(tag, at);
    tiff.writeUInt16LE(4, at + 2);
    tiff.writeUInt32LE(1, at + 4);
    tiff.writeUInt32LE(value, at + 8);
  });
  tiff.writeUInt32LE(0, 10 + tags.length * 12);
  return tiff;
}

/** The header of a PNG of 50,000 x 50,000 pixels, as in a decompression bomb. */
async function hugePng(): Promise<Buffer> {
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  png.writeUInt32BE(50_000, 16);
  png.writeUInt32BE(50_000, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}
