import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { decode } from './decode.ts';
import { createImageLoader } from './loader.ts';
import type { Preprocessing } from './types.ts';

const spec: Preprocessing = {
  resize: 'shortest',
  resizeTo: 16,
  crop: 16,
  filter: 'bicubic',
  channels: 'rgb',
  layout: 'nchw',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const request = { spec, views: [0], seed: 1 };

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>';

/** Nine hundred bytes that keep librsvg busy for many seconds: each group contains the one before it seven times. */
function svgBomb(): string {
  const groups = Array.from(
    { length: 3 },
    (_, i) => `<g id="a${i + 1}">${`<use href="#a${i}"/>`.repeat(7)}</g>`,
  );
  const text = `<g id="a0"><text>${'abc def '.repeat(50)}</text></g>`;
  return `<svg xmlns="http://www.w3.org/2000/svg"><defs>${text}${groups.join('')}</defs><use href="#a3"/></svg>`;
}

describe('the first bytes', () => {
  const loader = createImageLoader({ decoders: 1 });
  afterAll(() => loader.close());

  it.each([
    ['SVG', `\ufeff \n${SVG}`],
    ['SVG', `<?xml version="1.0"?>\n<!-- a <svg> -->\n<!DOCTYPE svg [<!ENTITY a "b">]>${SVG}`],
    ['SVG', `<!-- -->${'<!---->'.repeat(9)}<s:svg xmlns:s="http://www.w3.org/2000/svg"/>`],
    ['PDF', '%PDF-1.4\n'],
  ])('identify %s: %j', async (format, text) => {
    await expect(decode(Buffer.from(text))).rejects.toMatchObject({
      code: 'image/unsupported',
      details: { format },
    });
  });

  it('refuse an SVG with any beginning', { timeout: 8000 }, async () => {
    const refused = async (front: string) =>
      await loader.load(Buffer.from(front + svgBomb()), request).catch(({ code }) => code);
    expect(await refused('')).toBe('image/unsupported');
    expect(await refused(`<!--${'-'.repeat(5000)}-->`)).toBe('image/not-an-image');
    expect(await refused('    ftypavif')).toBe('image/truncated');
  });

  it('identify a BigTIFF', async () => {
    const tiff = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
      .tiff({ compression: 'none', bigtiff: true })
      .toBuffer();
    expect(tiff.toString('latin1', 0, 3)).toBe('II+');
    expect(await decode(tiff)).toMatchObject({ width: 40, height: 30 });
  });
});
