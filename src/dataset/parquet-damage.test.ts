import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it } from 'vitest';
import { failure } from './folder.fixture.ts';
import { openParquet, tableOfColumns } from './parquet-file.ts';
import { ParquetThread, parquetThread } from './parquet-thread.ts';

/** Gives up early, so that the test is short. */
const impatient = new ParquetThread(1500);
afterAll(() => impatient.end());

const rows = Array.from({ length: 40 }, (_, i) => i);
const whole = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'image', data: rows.map((i) => new Uint8Array([255, 216, i])), type: 'BYTE_ARRAY' },
      { name: 'label', data: rows.map((i) => `class ${i % 5}`), type: 'STRING' },
      { name: 'number', data: rows.map((i) => BigInt(i % 7)), type: 'INT64' },
    ],
    rowGroupSize: 16,
  }),
);

/** All that a file holds. */
async function contents(bytes: Uint8Array, thread = parquetThread()): Promise<unknown[]> {
  const parquet = await openParquet({ path: 'a.parquet', read: async () => bytes }, thread);
  const { rows: texts } = await tableOfColumns(parquet, parquet.scalars);
  const range = { start: 0, end: parquet.rows };
  const pictures = parquet.images.map((column) => parquet.pictures({ column, ...range }, 0));
  return [texts, ...(await Promise.all(pictures))];
}

describe('a damaged Parquet file', () => {
  it('is whole without damage', async () => {
    const [texts, pictures] = (await contents(whole)) as [unknown[], Uint8Array[]];
    expect(texts[13]).toEqual({ label: 'class 3', number: '6' });
    expect(pictures.map((bytes) => [...bytes])).toEqual(rows.map((i) => [255, 216, i]));
  });

  it('ends in a named error or in rows, soon', { timeout: 30_000 }, async () => {
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }));
    const damage = fc.array(flip, { minLength: 1, maxLength: 3 });
    const property = fc.asyncProperty(damage, async (flips) => {
      const bytes = whole.slice();
      for (const [at, bits] of flips) bytes[at]! ^= bits;
      await contents(bytes, impatient).catch((error) => expect(error).toEqual(failure('parquet')));
    });
    await fc.assert(property, { numRuns: 100, interruptAfterTimeLimit: 3000 });
  });
});
