import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelError, UsageError } from '../errors.ts';
import type { Tensor } from '../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from './safetensors.ts';
import { openSafetensors } from './safetensors-file.ts';
import { MAX_HEADER } from './safetensors-header.ts';

const EVERY_TYPE: Record<string, Tensor> = {
  f64: { dtype: 'float64', shape: [2], data: new Float64Array([Math.PI, -0]) },
  f32: { dtype: 'float32', shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, Number.NaN]) },
  f16: { dtype: 'float16', shape: [3], data: new Uint16Array([0x3c00, 0x7c00, 0]) },
  bf16: { dtype: 'bfloat16', shape: [1], data: new Uint16Array([0x3f80]) },
  i64: { dtype: 'int64', shape: [2], data: new BigInt64Array([-1n, 2n ** 62n]) },
  i32: { dtype: 'int32', shape: [1, 1], data: new Int32Array([-7]) },
  u8: { dtype: 'uint8', shape: [5], data: new Uint8Array([1, 2, 3, 4, 255]) },
  i8: { dtype: 'int8', shape: [1], data: new Int8Array([-128]) },
  bool: { dtype: 'bool', shape: [3], data: new Uint8Array([1, 0, 1]) },
  'scalar 猫': { dtype: 'float32', shape: [], data: new Float32Array([4.5]) },
  empty: { dtype: 'float32', shape: [0, 512], data: new Float32Array(0) },
};
const METADATA = { format: '1', note: 'Katze "猫"\n' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tip-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file of a header (as text) and data bytes. */
function file(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const codeOf = (bytes: Uint8Array) => {
  try {
    parseSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    return (error as ModelError).code;
  }
  return 'accepted';
};

describe('round trip', () => {
  it('keeps every type, name, shape and text', () => {
    const { tensors, metadata } = parseSafetensors(encodeSafetensors(EVERY_TYPE, METADATA));
    expect(Object.fromEntries(tensors)).toEqual(EVERY_TYPE);
    expect(metadata).toEqual(METADATA);
  });

  it('gives the same bytes for any order, with all tensors aligned', () => {
    const reversed = new Map(Object.entries(EVERY_TYPE).reverse());
    const bytes = encodeSafetensors(EVERY_TYPE, METADATA);
    expect(encodeSafetensors(reversed, METADATA)).toEqual(bytes);
    for (const { data } of parseSafetensors(bytes).tensors.values()) expect(data.buffer).toBe(bytes.buffer);
  });

  it('reads a file that starts at an odd address', () => {
    const bytes = encodeSafetensors(EVERY_TYPE, METADATA);
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expect(Object.fromEntries(parseSafetensors(shifted).tensors)).toEqual(EVERY_TYPE);
  });

  it('keeps names and texts that are special for objects', () => {
    const one: Tensor = { dtype: 'uint8', shape: [1], data: new Uint8Array([1]) };
    const names = ['__proto__', 'constructor', '1', '0', ''];
    const written = encodeSafetensors(new Map(names.map((name) => [name, one])));
    expect([...parseSafetensors(written).tensors.keys()].sort()).toEqual([...names].sort());
  });

  it('reads tensors only when they are asked for', async () => {
    const path = join(folder, 'lazy.safetensors');
    await writeFile(path, encodeSafetensors(EVERY_TYPE, METADATA));
    const opened = await openSafetensors(path);
    expect(opened.metadata).toEqual(METADATA);
    expect(opened.entries.get('f32')).toMatchObject({ dtype: 'float32', shape: [2, 3] });
    for (const [name, tensor] of Object.entries(EVERY_TYPE))
      expect(await opened.tensor(name)).toEqual(tensor);
    await expect(opened.tensor('none')).rejects.toMatchObject({ code: 'safetensors/no-tensor' });
    await opened.close();
  });

  it('refuses tensors that do not fit their description', () => {
    const data = new Float32Array(3);
    expect(() => encodeSafetensors({ a: { dtype: 'float32', shape: [2], data } })).toThrow(UsageError);
    expect(() => encodeSafetensors({ a: { dtype: 'int32', shape: [3], data } })).toThrow(UsageError);
    expect(() => encodeSafetensors({ __metadata__: { dtype: 'float32', shape: [3], data } })).toThrow(
      /reserved/,
    );
  });

  it('refuses to write a header that is longer than programs read', () => {
    const write = () => encodeSafetensors({}, { text: 'x'.repeat(MAX_HEADER) });
    expect(write).toThrow(expect.objectContaining({ code: 'safetensors/header-too-large' }));
  });
});

describe('malformed files end in a named ModelError', () => {
  const entry = (fields: object) =>
    JSON.stringify({ dtype: 'U8', shape: [4], data_offsets: [0, 4], ...fields });
  const four = new Uint8Array(4);
  const long = (length: bigint) => {
    const bytes = new Uint8Array(64);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'truncated'],
    ['seven bytes', new Uint8Array(7), 'truncated'],
    ['a header beyond the end', long(57n), 'truncated'],
    ['a header of 100 MB', long(100_000_001n), 'header-too-large'],
    ['a header of 2^64 - 1 bytes', long(2n ** 64n - 1n), 'header-too-large'],
    ['no header', file(''), 'json'],
    ['no JSON', file('{"a":'), 'json'],
    ['brackets in brackets', file(`{"a":${'['.repeat(1e6)}`), 'json'],
    ['millions of brackets', file(`{"a":[${'[],'.repeat(2e6)}[]]}`), 'json'],
    ['no UTF-8', file(new Uint8Array([0x7b, 0xff, 0x7d])), 'json'],
    ['an array', file('[]'), 'json'],
    ['a null', file('null'), 'json'],
    ['an entry that is a number', file('{"a":1}'), 'entry'],
    ['an entry that is null', file('{"a":null}'), 'entry'],
    ['an unknown field', file(`{"a":${entry({ x: 1 })}}`, four), 'entry'],
    ['an unknown type', file(`{"a":${entry({ dtype: 'F4' })}}`, four), 'dtype'],
    ['no type', file(`{"a":${entry({ dtype: undefined })}}`, four), 'dtype'],
    ['a negative size', file(`{"a":${entry({ shape: [-4] })}}`, four), 'shape'],
    ['a fractional size', file(`{"a":${entry({ shape: [0.5, 8] })}}`, four), 'shape'],
    ['a shape that is a text', file(`{"a":${entry({ shape: '4' })}}`, four), 'shape'],
    ['a thousand dimensions', file(`{"a":${entry({ shape: Array(1000).fill(2 ** 50) })}}`, four), 'shape'],
    ['sizes whose product overflows', file(`{"a":${entry({ shape: [2 ** 40, 2 ** 40] })}}`, four), 'size'],
    ['a size that does not fit', file(`{"a":${entry({ shape: [3] })}}`, four), 'size'],
    ['three offsets', file(`{"a":${entry({ data_offsets: [0, 4, 8] })}}`, four), 'offsets'],
    ['offsets in reverse', file(`{"a":${entry({ data_offsets: [4, 0] })}}`, four), 'offsets'],
    ['negative offsets', file(`{"a":${entry({ data_offsets: [-4, 0] })}}`, four), 'offsets'],
    ['offsets beyond the end', file(`{"a":${entry({ data_offsets: [0, 4] })}}`), 'truncated'],
    ['offsets far away', file(`{"a":${entry({ data_offsets: [2 ** 52, 2 ** 52 + 4] })}}`, four), 'hole'],
    [
      'a huge tensor',
      file(`{"a":${entry({ shape: [2 ** 50], data_offsets: [0, 2 ** 50] })}}`, four),
      'truncated',
    ],
    [
      'an overlap',
      file(`{"a":${entry({})},"b":${entry({ data_offsets: [2, 6] })}}`, new Uint8Array(6)),
      'overlap',
    ],
    ['a hole', file(`{"a":${entry({})},"b":${entry({ data_offsets: [5, 9] })}}`, new Uint8Array(9)), 'hole'],
    ['bytes left over', file(`{"a":${entry({})}}`, new Uint8Array(5)), 'hole'],
    ['a name twice', file(`{"a":${entry({})},"\\u0061":${entry({})}}`, four), 'duplicate'],
    [
      'a field twice',
      file('{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}', four),
      'duplicate',
    ],
    ['metadata that is a text', file('{"__metadata__":"x"}'), 'metadata'],
    ['metadata with a number', file('{"__metadata__":{"a":1}}'), 'metadata'],
  ])('%s', async (title, bytes, code) => {
    expect(codeOf(bytes)).toBe(`safetensors/${code}`);
    const path = join(folder, `${title}.safetensors`);
    await writeFile(path, bytes);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: `safetensors/${code}` });
  });

  it('accepts a header without tensors, and the same field in two entries', () => {
    expect(codeOf(file('{}'))).toBe('accepted');
    const b = entry({ data_offsets: [4, 8] });
    expect(codeOf(file(`{"a:{}":${entry({})},"b\\"":${b}}  `, new Uint8Array(8)))).toBe('accepted');
  });

  it('at every truncation', () => {
    const bytes = encodeSafetensors(EVERY_TYPE, METADATA);
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(bytes.subarray(0, length)), `first ${length} bytes`).toMatch(/^safetensors\//);
    }
  });

  it('or in tensors that fit the file, if any byte of the header is changed', () => {
    const bytes = encodeSafetensors(EVERY_TYPE, METADATA);
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const at = fc.integer({ min: 0, max: headerEnd - 1 });
    const changes = fc.array(fc.tuple(at, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(changes, (edits) => {
        const changed = bytes.slice();
        for (const [index, value] of edits) changed[index] = value;
        try {
          const { tensors } = parseSafetensors(changed);
          const total = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
          expect(total).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ModelError);
        }
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  it('for any JSON value in any place of the header', () => {
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.maxSafeInteger(),
      fc.constantFrom(2 ** 53, -1, 1e308, '__proto__'),
    );
    const field = fc.constantFrom('dtype', 'shape', 'data_offsets', '__metadata__');
    fc.assert(
      fc.property(field, odd, (name, value) => {
        const header =
          name === '__metadata__'
            ? JSON.stringify({ [name]: value, a: JSON.parse(entry({})) })
            : `{"a":${entry({ [name]: value })}}`;
        expect(codeOf(file(header, four))).toMatch(/^(safetensors\/|accepted)/);
      }),
      { numRuns: 1000, seed: 7 },
    );
  });
});

const python = process.env.PYTHON ?? 'python3';
const pythonReads = spawnSync(python, ['-c', 'import safetensors.numpy']).status === 0;

describe.skipIf(!pythonReads)(
  "Python's safetensors (skipped if python3 cannot import safetensors.numpy)",
  () => {
    it('reads our files, and we read its files', async () => {
      const { bf16: _, ...tensors } = EVERY_TYPE;
      const ours = join(folder, 'ours.safetensors');
      const theirs = join(folder, 'theirs.safetensors');
      await writeFile(ours, encodeSafetensors(tensors, METADATA));
      const program = `
import sys, json
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
with safe_open(sys.argv[1], 'np') as f: metadata = f.metadata()
save_file(load_file(sys.argv[1]), sys.argv[2], metadata)`;
      execFileSync(python, ['-c', program, ours, theirs]);
      const back = await openSafetensors(theirs);
      expect(back.metadata).toEqual(METADATA);
      for (const [name, tensor] of Object.entries(tensors)) expect(await back.tensor(name)).toEqual(tensor);
      await back.close();
    });
  },
);
