import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Abortable } from '../abort.ts';
import { fakeEncoder } from '../classifier/fake-encoder.fixture.ts';
import { InterruptedError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { fromRows, row } from '../math/matrix.ts';
import { batching } from './batching.ts';

/** A crop that contains the number of its caller and its own number. */
const crop = (caller: number, number: number): Pixels => ({
  width: 1,
  height: 1,
  data: Uint8Array.of(caller, number, 0),
});

/** An encoder that answers when it is released. Each answer contains the numbers of its crop. */
function heldEncoder() {
  const held: { pixels: Pixels[]; answer(): void; fail(error: Error): void; signal?: AbortSignal }[] = [];
  const encoder = {
    ...fakeEncoder(),
    embedImages: (pixels: Pixels[], { signal }: Abortable = {}) =>
      new Promise<ReturnType<typeof fromRows>>((resolve, reject) =>
        held.push({
          pixels,
          signal,
          answer: () => resolve(fromRows(pixels.map(({ data }) => [...data.subarray(0, 2)]))),
          fail: reject,
        }),
      ),
  };
  return { encoder, held };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

it('returns to every caller the rows of its own crops, in order, also from shared batches', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 11 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, async (wanted) => {
      const { encoder, held } = heldEncoder();
      const batches: number[] = [];
      const shared = batching(encoder, (size) => batches.push(size));
      const answers = wanted.map((count, caller) =>
        shared.embedImages(Array.from({ length: count }, (_, number) => crop(caller, number))),
      );
      while (held.length > 0) {
        held.shift()?.answer();
        await settle();
      }
      for (const [caller, { rows, cols, ...features }] of (await Promise.all(answers)).entries()) {
        expect([rows, cols]).toEqual([wanted[caller], 2]);
        for (let number = 0; number < rows; number++) {
          expect([...row({ rows, cols, ...features }, number)]).toEqual([caller, number]);
        }
      }
      expect(batches.reduce((sum, size) => sum + size, 0)).toBe(wanted.reduce((sum, size) => sum + size, 0));
    }),
    { numRuns: 50 },
  );
});

it('embeds crops that arrive during a batch together, and runs a full second batch beside the first', async () => {
  const { encoder, held } = heldEncoder();
  const shared = batching(encoder, () => {});
  const ask = (caller: number, count = 1) =>
    shared.embedImages(Array.from({ length: count }, (_, number) => crop(caller, number)));
  const answers = [ask(0), ask(1), ask(2, 3)];
  expect(held.map(({ pixels }) => pixels.length)).toEqual([1]);
  answers.push(ask(3, 4));
  expect(held.map(({ pixels }) => pixels.length)).toEqual([1, 8]);
  answers.push(ask(4, 20));
  expect(held).toHaveLength(2);
  for (const { answer } of held) answer();
  await settle();
  expect(held.map(({ pixels }) => pixels.length)).toEqual([1, 8, 20]);
  held[2]!.answer();
  expect((await Promise.all(answers)).map(({ rows }) => rows)).toEqual([1, 1, 3, 4, 20]);
});

it('rejects a caller whose signal fires, and continues for the others of its batch', async () => {
  const { encoder, held } = heldEncoder();
  const shared = batching(encoder, () => {});
  const first = shared.embedImages([crop(0, 0)]);
  const [leaving, staying] = [new AbortController(), new AbortController()];
  const left = shared.embedImages([crop(1, 0)], { signal: leaving.signal });
  const stayed = shared.embedImages([crop(2, 0), crop(2, 1)], { signal: staying.signal });
  held[0]!.answer();
  await first;
  await settle();
  expect(held[1]!.pixels).toHaveLength(3);
  leaving.abort();
  await expect(left).rejects.toBeInstanceOf(InterruptedError);
  expect(held[1]!.signal?.aborted).toBe(false);
  held[1]!.answer();
  expect([...(await stayed).data]).toEqual([2, 0, 2, 1]);
});

it('stops computing if all callers of a batch are gone, and does not begin for a caller that was gone before', async () => {
  const { encoder, held } = heldEncoder();
  const shared = batching(encoder, () => {});
  const leaving = new AbortController();
  const left = shared.embedImages([crop(0, 0)], { signal: leaving.signal });
  const queued = shared.embedImages([crop(1, 0)], { signal: leaving.signal });
  leaving.abort();
  await expect(left).rejects.toBeInstanceOf(InterruptedError);
  await expect(queued).rejects.toBeInstanceOf(InterruptedError);
  expect(held[0]!.signal?.aborted).toBe(true);
  held[0]!.answer();
  await settle();
  expect(held).toHaveLength(1);
  await expect(shared.embedImages([crop(2, 0)], { signal: leaving.signal })).rejects.toBeInstanceOf(
    InterruptedError,
  );
});

it('rejects every caller of a batch if the encoder fails, and continues with the next batch', async () => {
  const { encoder, held } = heldEncoder();
  const shared = batching(encoder, () => {});
  const first = shared.embedImages([crop(0, 0)]);
  const failing = [1, 2].map((caller) => shared.embedImages([crop(caller, 0)]));
  held[0]!.answer();
  await first;
  await settle();
  held[1]!.fail(new Error('broken'));
  for (const one of failing) await expect(one).rejects.toThrow('broken');
  const after = shared.embedImages([crop(3, 0)]);
  held[2]!.answer();
  expect([...(await after).data]).toEqual([3, 0]);
});
