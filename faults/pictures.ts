import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { systemCode } from '../src/errors.ts';
import { createImageLoader } from '../src/image/loader.ts';
import type { Preprocessing } from '../src/image/types.ts';
import { type Random, random } from '../src/math/random.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, pick } from './mutate.ts';

const SIDE = 32;
const spec = { resize: 'shortest', resizeTo: SIDE, crop: SIDE, filter: 'bicubic' } as Preprocessing;
const request = { spec, views: [0, 1], seed: 1 };

const fixture = (name: string) => readFileSync(new URL(`../tests/fixtures/${name}`, import.meta.url));

/** Pictures of every supported format: small ones, and larger ones for formats that use several blocks. */
async function originals(): Promise<Buffer[]> {
  const { pictures } = JSON.parse(fixture('containers.json').toString()) as { pictures: { file: string }[] };
  const [width, height] = [160, 120];
  const draw = random('picture');
  const data = Uint8Array.from({ length: width * height * 4 }, (_, i) => (i >> 3) + draw.integer(40));
  const large = () => sharp(data, { raw: { width, height, channels: 4 } });
  const frames = sharp(data, { raw: { width, height, channels: 4, pageHeight: height / 4 } });
  return Promise.all([
    ...pictures.map(({ file }) => Buffer.from(file, 'base64')),
    fixture('two-colours.heic'),
    large().png({ progressive: true }).toBuffer(),
    large().toColourspace('rgb16').png().toBuffer(),
    large().jpeg({ progressive: true }).toBuffer(),
    large().toColourspace('cmyk').jpeg().toBuffer(),
    large().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
    large().webp().toBuffer(),
    large().webp({ lossless: true }).toBuffer(),
    frames.clone().webp().toBuffer(),
    frames.clone().gif().toBuffer(),
    large().tiff({ compression: 'lzw', predictor: 'horizontal' }).toBuffer(),
    large().tiff({ compression: 'jpeg', tile: true, tileWidth: 64, tileHeight: 64 }).toBuffer(),
    large().tiff({ compression: 'deflate', pyramid: true, tile: true, bigtiff: true }).toBuffer(),
    large().removeAlpha().avif({ effort: 1 }).toBuffer(),
    large().avif({ effort: 1, lossless: true }).toBuffer(),
  ]);
}

const isPng = (bytes: Uint8Array) => bytes[0] === 0x89;

/** The complete chunks of a PNG. */
function chunks(png: Buffer): { at: number; end: number }[] {
  const found: { at: number; end: number }[] = [];
  for (let at = 8; at + 12 <= png.length; ) {
    const end = at + 12 + png.readUInt32BE(at);
    if (end > png.length) break;
    found.push({ at, end });
    at = end;
  }
  return found;
}

/** A PNG with corrected checksums, so that the mutant passes the first check. */
function resealed(png: Buffer): Buffer {
  for (const { at, end } of chunks(png)) png.writeUInt32BE(crc32(png.subarray(at + 4, end - 4)), end - 4);
  return png;
}

const isSealed = (png: Buffer) =>
  chunks(png).every(({ at, end }) => png.readUInt32BE(end - 4) === crc32(png.subarray(at + 4, end - 4)));

/** Half of the mutants keep their first bytes, by which the format is detected. */
function mutantOf(original: Buffer, random: Random): Buffer {
  const kept = random.integer(2) ? 16 : 0;
  const mutant = Buffer.concat([original.subarray(0, kept), mutateBytes(original.subarray(kept), random)]);
  return isPng(mutant) && random.integer(2) ? resealed(mutant) : mutant;
}

export const campaign: Campaign = {
  title:
    'Pictures of all formats, decoded in processes: PNG (half of them with right checksums), JPEG, GIF, WebP, TIFF, AVIF, HEIC',
  seconds: 30,
  megabytes: 1024,
  prepare: async (folder) => {
    for (const [i, bytes] of (await originals()).entries()) await writeFile(join(folder, `${i}`), bytes);
  },
  open: async (folder, scratch) => {
    const all = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    const loader = createImageLoader({ decoders: 1, maxPixels: 4e6, seconds: 10 });
    return async (random) => {
      const original = pick(random, all);
      const mutant = mutantOf(original, random);
      await writeFile(join(scratch, 'mutant'), mutant);
      const crops = await loader.load(mutant, request).catch((error) => {
        if (systemCode(error) === 'image/decoder-died')
          throw new Error(`A decoder crashed: ${error.message}`);
        throw error;
      });
      assert.deepEqual(
        crops.map(({ data }) => data.length),
        request.views.map(() => 3 * SIDE * SIDE),
      );
      // If a checksum detects changed pixels, they must not be returned.
      if (isPng(mutant) && !isSealed(mutant))
        assert.deepEqual(crops[0]?.data, (await loader.load(original, request))[0]?.data);
    };
  },
};
