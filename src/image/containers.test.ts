import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decode } from './decode.ts';
import { cropView } from './preprocess.ts';
import type { Preprocessing } from './types.ts';

/** Made by `containers.py` beside it. */
interface Kept {
  readonly name: string;
  /** Base64. */
  readonly file: string;
  /** Sha256 of the pixels of Pillow's crop. */
  readonly sha256?: string;
  /** The picture that it must look like. */
  readonly same?: string;
  /** Code of the refusal. */
  readonly refused?: string;
}

const path = new URL('../../tests/fixtures/containers.json', import.meta.url);
const { side, pictures } = JSON.parse(readFileSync(path, 'utf8')) as { side: number; pictures: Kept[] };
const spec = { resize: 'shortest', resizeTo: side, crop: side, filter: 'bicubic' } as Preprocessing;

async function cropOf({ file }: Kept): Promise<Uint8Array> {
  return cropView(await decode(Buffer.from(file, 'base64'), { exif: false }), spec, 0, 0, '').data;
}

describe('every kind of picture', () => {
  it.each(pictures.filter(({ sha256 }) => sha256))('$name: no level differs from Pillow', async (picture) => {
    const crop = await cropOf(picture);
    expect(createHash('sha256').update(crop).digest('hex')).toBe(picture.sha256);
  });

  it.each(pictures.filter(({ same }) => same))('$name: looks like $same', async (picture) => {
    const same = pictures.find(({ name }) => name === picture.same) as Kept;
    expect(await cropOf(picture)).toEqual(await cropOf(same));
  });

  it.each(pictures.filter(({ refused }) => refused))('$name: $refused', async (picture) => {
    await expect(cropOf(picture)).rejects.toMatchObject({ code: picture.refused, exitCode: 3 });
  });

  it('an animated AVIF: its first picture, or a refusal that does not call it damaged', async () => {
    const still = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#c04020' } })
      .avif()
      .toBuffer();
    const sequence = Buffer.from(still);
    sequence.write('avis', 8, 'latin1');
    expect(await decode(sequence)).toEqual(await decode(still));
    const withoutStill = Buffer.from(sequence);
    withoutStill.write('moov', sequence.indexOf('meta'), 'latin1');
    await expect(decode(withoutStill)).rejects.toMatchObject({
      code: 'image/unsupported',
      message: 'The format animated AVIF without a still picture is not supported',
    });
  });
});
