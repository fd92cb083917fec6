import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { takenAt } from './exif-date.ts';

const DATE = '2024:05:17 10:22:31';

async function photo(format: 'jpeg' | 'png' | 'webp' | 'tiff', tags: object): Promise<Buffer> {
  return sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .withExif(tags as never)
    .toFormat(format)
    .toBuffer();
}

describe('when a photo was taken', () => {
  it.each(['jpeg', 'png', 'webp'] as const)('is read from %s as libexif writes it', async (format) => {
    const bytes = await photo(format, {
      IFD2: { DateTimeOriginal: DATE },
      IFD0: { DateTime: '2001:01:01 00:00:00' },
    });
    expect(takenAt(bytes)).toBe('2024-05-17T10:22:31');
  });

  it('is the date of the file data if there is no other date', async () => {
    expect(takenAt(await photo('jpeg', { IFD0: { DateTime: DATE } }))).toBe('2024-05-17T10:22:31');
  });

  it.each(['0000:00:00 00:00:00', 'yesterday, at noon.'])('is unknown for the date %s', async (date) => {
    expect(takenAt(await photo('jpeg', { IFD2: { DateTimeOriginal: date } }))).toBeUndefined();
  });

  it('is unknown without Exif data', async () => {
    expect(
      takenAt(
        await sharp(await photo('jpeg', {}))
          .jpeg()
          .toBuffer(),
      ),
    ).toBeUndefined();
  });

  it('does not throw for any bytes', async () => {
    const bytes = await photo('jpeg', { IFD2: { DateTimeOriginal: DATE } });
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.array(fc.tuple(fc.nat(400), fc.nat(255))), (length, changes) => {
        const damaged = Uint8Array.from(bytes.subarray(0, length));
        for (const [at, value] of changes) if (at < length) damaged[at] = value;
        expect(takenAt(damaged) ?? '2024-05-17T10:22:31').toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
      }),
    );
  });
});
