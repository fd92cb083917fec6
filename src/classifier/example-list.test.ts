import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce } from '../abort.ts';
import { UsageError } from '../errors.ts';
import { matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { methodById } from '../methods/index.ts';
import { scoreRows } from '../methods/score.ts';
import { parseSafetensors } from '../store/safetensors.ts';
import { taskOf } from './classifier-task.ts';
import { decodeClassifier } from './decode.ts';
import { exampleList } from './example-list.ts';
import { exampleTensors } from './example-tensors.ts';
import { classifierBytes } from './file-bytes.ts';
import { type Json, sealed } from './sealed.fixture.ts';
import { tensorReader } from './tensor-reader.ts';
import type { SupportExample } from './types.ts';

/** A file of format 1 with thumbnails, which version 0.1 wrote. */
const OLD = readFileSync(new URL('../../tests/fixtures/format-1.safetensors', import.meta.url));
/** The same in format 2, whose pages have no hashes. */
const OLD_2 = readFileSync(new URL('../../tests/fixtures/format-2.safetensors', import.meta.url));
const NAMES = ['ant/1.png', 'ant/ü 猫.png', '', 'bee/\ud800.png', 'cow/"1".png', 'cow/"1".png'];

const read = (tensors: Record<string, Tensor>, n: number): readonly SupportExample[] => {
  const refuse = (reason: string): never => {
    throw new Error(reason);
  };
  return exampleList(atOnce(tensorReader(new Map(Object.entries(tensors)), refuse).examples(n)));
};

const hashed = (id: string, i = 0): SupportExample => ({
  id,
  sha256: i.toString(16).padStart(64, '0'),
  thumbnail: undefined,
});

/** Texts of any UTF-16 units, so that surrogates stand alone, in pairs and in the wrong order. */
const unit = fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd700, max: 0xe0ff }), fc.nat(0x7f));
const name = fc.oneof(
  fc.array(unit).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '\ufeff', '\ufeffa', '\ud800', '\udc00\ud800', '😀', 'é', 'x'.repeat(5000)),
);

describe('examples as tensors', () => {
  it('are the same examples when they are read, whatever their names', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), (names) => {
        const examples = names.map(hashed);
        expect(read(atOnce(exampleTensors(examples)), names.length)).toEqual(examples);
      }),
      { numRuns: 300 },
    );
  });

  it('are refused or are texts, whatever the offsets and the bytes', () => {
    const tensors = atOnce(exampleTensors(['ü', 'b\ud800', '', '猫😀'].map(hashed)));
    const { data: offsets } = tensors['examples.ids.offsets']!;
    const { data: bytes } = tensors['examples.ids']!;
    const changed = (name: string, data: Uint8Array | Int32Array) =>
      read({ ...tensors, [name]: { ...tensors[name]!, data } }, 4);
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(4), fc.integer({ min: -2, max: 20 }), fc.nat(12), fc.nat(255), (i, to, at, byte) => {
        const moved = Int32Array.from(offsets as Int32Array, (offset, k) => (k === i ? to : offset));
        const other = Uint8Array.from(bytes as Uint8Array, (old, k) => (k === at ? byte : old));
        for (const [name, data] of [
          ['examples.ids.offsets', moved],
          ['examples.ids', other],
        ] as const) {
          try {
            expect(changed(name, data).map(({ id }) => typeof id)).toEqual(Array(4).fill('string'));
          } catch (error) {
            expect((error as Error).message).toMatch(/^tensor examples\.ids/);
            refused++;
          }
        }
      }),
    );
    expect(refused).toBeGreaterThan(50);
    const withOffsets = (...numbers: number[]) => changed('examples.ids.offsets', Int32Array.from(numbers));
    const [first, second, third, , end] = offsets as Int32Array as unknown as number[];
    expect(() => withOffsets(first!, third!, second!, third!, end!)).toThrow('goes backwards');
    expect(() => withOffsets(first!, second!, third!, third!, end! - 1)).toThrow('does not cover');
    expect(() => withOffsets(1, second!, third!, third!, end!)).toThrow('does not cover');
    expect(() => withOffsets(first!, second!, third!, third!, end! + 1)).toThrow('out of range');
    expect(() => withOffsets(first!, second! - 1, third!, third!, end!)).toThrow('not UTF-8 at example 0');
  });

  it('are a list like any other, which cannot be changed', () => {
    const examples = ['a', 'b', 'a'].map(hashed);
    const list = read(atOnce(exampleTensors(examples)), 3);
    expect(Array.isArray(list)).toBe(true);
    expect(list.length).toBe(3);
    expect([...list]).toEqual(examples);
    expect(list.slice(1).map(({ id }) => id)).toEqual(['b', 'a']);
    expect(list.at(-1)).toEqual(examples[2]);
    expect([list[3], (list as Json & typeof list)['01']]).toEqual([undefined, undefined]);
    expect(list.every((example, i) => example.sha256 === examples[i]!.sha256)).toBe(true);
    expect(JSON.stringify(list)).toBe(JSON.stringify(examples));
    expect(inspect(list)).toBe(inspect(examples));
    expect([...list.entries()]).toHaveLength(3);
    expect(() => (list as SupportExample[]).push(hashed('c'))).toThrow(TypeError);
    expect(() => (list as SupportExample[]).sort()).toThrow(TypeError);
  });

  it('cannot be stored with a hash that is no sha256', () => {
    for (const sha256 of ['', 'f'.repeat(63), 'F'.repeat(64), 'g'.repeat(64)])
      expect(() => atOnce(exampleTensors([{ id: 'a', sha256 }]))).toThrow(UsageError);
  });
});

describe('a file of format 1', async () => {
  const old = await decodeClassifier(OLD);

  it('has the examples, the thumbnails and the answers that it had', () => {
    expect(old.examples.map(({ id }) => id)).toEqual(NAMES);
    expect(old.examples.map(({ thumbnail }) => [...thumbnail!])).toEqual(NAMES.map((_, i) => [i, 255]));
    expect(new Set(old.examples.map(({ sha256 }) => sha256)).size).toBe(NAMES.length);
    const query = matrix(
      1,
      8,
      Float32Array.from({ length: 8 }, (_, i) => i + 1),
    );
    const { data } = scoreRows(methodById(old.method), old.state, taskOf(old), query);
    expect(data[0]! - data[2]!).toBeCloseTo(10608.359 * Math.log(0.33423066 / 0.33181593), 0);
  });

  it('is saved in the format of today, without a loss', async () => {
    const bytes = classifierBytes(old);
    expect(parseSafetensors(bytes).metadata.format).toBe('tip-adapter/3');
    expect(await decodeClassifier(bytes)).toEqual(old);
    expect(classifierBytes(await decodeClassifier(bytes))).toEqual(bytes);
  });

  it('is the same in format 2, which is refused if any of its tensors is changed', async () => {
    expect(await decodeClassifier(OLD_2)).toEqual(old);
    for (let at = OLD_2.length - 400; at < OLD_2.length; at += 7) {
      const altered = new Uint8Array(OLD_2);
      altered[at]! ^= 1;
      await expect(decodeClassifier(altered)).rejects.toEqual(
        expect.objectContaining({ code: 'classifier/damaged' }),
      );
    }
  });

  it('holds nothing of the bytes that it was read from', async () => {
    const bytes = classifierBytes(old);
    const read = await decodeClassifier(bytes);
    bytes.fill(0);
    expect(read).toEqual(old);
  });

  it('is refused if its examples are damaged', async () => {
    for (const examples of [undefined, 6, [], [{ id: 'a' }], [{ id: 'a', sha256: 'x' }]])
      await expect(
        decodeClassifier(sealed(OLD, (about) => Object.assign(about, { examples }))),
      ).rejects.toEqual(expect.objectContaining({ code: 'classifier/damaged' }));
  });
});
