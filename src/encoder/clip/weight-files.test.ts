import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { createEngine } from '../../engine/node.ts';
import type { RuntimeBuild } from '../../engine/onnxruntime.ts';
import { input } from '../../graph/expression.ts';
import { matmulT } from '../../graph/products.ts';
import { stored } from '../../graph/stored.ts';
import type { Pixels } from '../../image/types.ts';
import { toHalf } from '../../math/half.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../../store/safetensors.ts';
import { stateDictionary } from '../../store/torch-archive.fixture.ts';
import { loadEncoder } from '../load.ts';
import { writeSmallVision } from '../vision/small-vision.fixture.ts';
import { openWeights } from './checkpoint.ts';
import { writeSmallClip } from './small-clip.fixture.ts';

const build: { chosen?: RuntimeBuild } = {};
vi.mock(import('../../engine/onnxruntime.ts'), async (original) => {
  const real = await original();
  return { ...real, chooseRuntime: async (options) => build.chosen ?? real.chooseRuntime(options) };
});

const engine = createEngine({ threads: 1 });
const root = mkdtempSync(join(tmpdir(), 'weight-files-'));
afterEach(() => {
  build.chosen = undefined;
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const pixels = (side: number): Pixels => ({
  width: side,
  height: side,
  data: Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37) % 256),
});

async function embedded(folder: string, by = engine as typeof engine) {
  const encoder = await loadEncoder(folder, { engine: by });
  const { data: images } = await encoder.embedImages([pixels(encoder.preprocessing.crop)]);
  const texts = await encoder.embedTexts?.(['a cat.', 'two words']);
  await encoder.close();
  return { images, texts: texts?.data };
}

/** The tensors of a file in another number type. */
function rewritten(path: string, convert: (tensor: Tensor) => Tensor): void {
  const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(path)));
  writeFileSync(path, encodeSafetensors(new Map([...tensors].map(([name, t]) => [name, convert(t)]))));
}

const half = (t: Tensor): Tensor => ({ ...t, dtype: 'float16', data: toHalf(t.data as Float32Array) });
const brain = (t: Tensor): Tensor => ({
  ...t,
  dtype: 'bfloat16',
  data: Uint16Array.from(new Uint32Array((t.data as Float32Array).slice().buffer), (bits) => bits >>> 16),
});

/** The small CLIP as a state dictionary of PyTorch. */
function archived(name: string): string {
  const folder = writeSmallClip(join(root, name), { names: 'open-clip' });
  const path = join(folder, 'open_clip_model.safetensors');
  const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(path)));
  writeFileSync(join(folder, 'clip.pt'), stateDictionary(Object.fromEntries(tensors)));
  rmSync(path);
  return folder;
}

const HOLE = 2 ** 31;

/** Writes a file with a hole of 2 GiB. Returns whether the file system stores no bytes for it. */
function withHole(path: string, before: readonly Uint8Array[], after: Uint8Array): boolean {
  writeFileSync(path, Buffer.concat(before));
  truncateSync(path, statSync(path).size + HOLE);
  const { blocks } = statSync(path);
  appendFileSync(path, after);
  return blocks * 512 < HOLE;
}

/** Puts a hole in front of the directory of a zip. */
function widenZip(path: string): boolean {
  const bytes = readFileSync(path);
  const field = bytes.length - 6;
  const directory = bytes.readUInt32LE(field);
  bytes.writeUInt32LE(directory + HOLE, field);
  return withHole(path, [bytes.subarray(0, directory)], bytes.subarray(directory));
}

/** Adds a tensor without numbers on the disk in front of those of a safetensors file. */
function widenSafetensors(path: string): boolean {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__, ...entries } = JSON.parse(bytes.subarray(8, start).toString());
  for (const entry of Object.values<{ data_offsets: number[] }>(entries))
    entry.data_offsets = entry.data_offsets.map((at) => at + HOLE);
  const all = { ...entries, unused: { dtype: 'U8', shape: [HOLE], data_offsets: [0, HOLE] } };
  const text = JSON.stringify(all);
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return withHole(path, [length, header], bytes.subarray(start));
}

describe('weights that stay in their files', () => {
  const clip = (name: string, form: Omit<Parameters<typeof writeSmallClip>[1], 'names'> = {}) =>
    writeSmallClip(join(root, name), { names: 'hub', ...form });
  const changed = (name: string, convert: (tensor: Tensor) => Tensor) => {
    const folder = clip(name);
    rewritten(join(folder, 'model.safetensors'), convert);
    return folder;
  };

  it.each([
    ['one file', () => clip('one')],
    ['joint projections', () => writeSmallClip(join(root, 'joint'), { names: 'open-clip' })],
    ['two files', () => clip('two', { parts: true })],
    ['half precision', () => changed('half', half)],
    ['bfloat16', () => changed('brain', brain)],
    ['a file of torch.save', () => archived('archive')],
    ['a model without texts', () => writeSmallVision(join(root, 'vision'))],
  ])('give the features of weights that are copied, bit for bit: %s', async (_, write) => {
    const folder = write();
    const compile = vi.spyOn(engine, 'compile');
    const own = await embedded(folder);
    expect(compile.mock.calls.every(([, work]) => work?.weights !== undefined)).toBe(true);
    compile.mockRestore();
    expect(own).toEqual(await embedded(folder, { ...engine, readsWeights: false }));
  });

  /** Moves the weights of a folder away and leaves links to them, as Hugging Face's cache has them. */
  const linked = (folder: string, blobOf: (name: string, at: number) => string) => {
    const weights = readdirSync(folder).filter((file) => file.endsWith('.safetensors'));
    for (const [at, file] of weights.entries()) {
      const blob = join(folder, '..', blobOf(file, at));
      mkdirSync(join(blob, '..'), { recursive: true });
      renameSync(join(folder, file), blob);
      symlinkSync(blob, join(folder, file));
    }
    return folder;
  };

  it.each([
    ['one file', 'linked', false],
    ['two files', 'linked-two', true],
  ])('are found where links lead: %s', async (_, name, parts) => {
    const folder = linked(clip(name, { parts }), (file) => `blobs/${name}-${file}.blob`);
    const compile = vi.spyOn(engine, 'compile');
    const own = await embedded(folder);
    expect(compile.mock.calls.every(([, work]) => work?.weights !== undefined)).toBe(true);
    compile.mockRestore();
    expect(own).toEqual(await embedded(join(root, 'one')));
  });

  it.each([
    [
      'NaN',
      'weights/not-finite',
      (t: Tensor) => ({ ...t, data: Float32Array.from(t.data as Float32Array).fill(NaN, 3, 4) }),
    ],
    [
      'int8',
      'weights/type',
      (t: Tensor) => ({ ...t, dtype: 'int8', data: new Int8Array(t.data.length) }) as Tensor,
    ],
    [
      'int64',
      'weights/type',
      (t: Tensor) => ({ ...t, dtype: 'int64', data: new BigInt64Array(t.data.length) }) as Tensor,
    ],
    ['shape', 'weights/shape', (t: Tensor) => ({ ...t, shape: [8, 32] })],
  ])('refuse a damaged tensor by its name: %s', async (name, code, damaged) => {
    const folder = clip(`damaged-${name}`);
    const path = join(folder, 'model.safetensors');
    const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(path)));
    const key = 'vision_model.encoder.layers.0.self_attn.q_proj.weight';
    writeFileSync(path, encodeSafetensors(new Map([...tensors, [key, damaged(tensors.get(key)!)]])));
    await expect(loadEncoder(folder, { engine })).rejects.toMatchObject({
      code,
      message: expect.stringContaining('q_proj.weight'),
    });
  });

  it('refuse a tensor that is in two files', async () => {
    const folder = clip('twice', { parts: true });
    const [first, second] = ['1', '2'].map((n) => join(folder, `model-0000${n}-of-00002.safetensors`));
    const { tensors } = parseSafetensors(Uint8Array.from(readFileSync(first!)));
    const [[name, tensor] = []] = tensors;
    const { tensors: others } = parseSafetensors(Uint8Array.from(readFileSync(second!)));
    writeFileSync(second!, encodeSafetensors(new Map([...others, [name!, tensor!]])));
    const refused = loadEncoder(folder, { engine });
    await expect(refused).rejects.toMatchObject({
      code: 'weights/twice',
      message: expect.stringContaining(name!),
    });
  });

  it('are copied if links lead into several folders', async () => {
    const folder = linked(clip('scattered', { parts: true }), (file, at) => `scattered-${at}/${file}`);
    expect(await embedded(folder)).toEqual(await embedded(join(root, 'one')));
  });

  it('are read once: a file that is overwritten later changes nothing', async () => {
    const folder = clip('overwritten');
    const path = join(folder, 'model.safetensors');
    const encoder = await loadEncoder(folder, { engine });
    const all = async () => [await encoder.embedImages([pixels(32)]), await encoder.embedTexts!(['a cat.'])];
    const before = await all();
    writeFileSync(path, new Uint8Array(statSync(path).size), { flag: 'r+' });
    expect(await all()).toEqual(before);
    await encoder.close();
  });

  it('refuse a file that was changed since the graph was made', async () => {
    const path = join(clip('changed'), 'model.safetensors');
    const { files, close } = await openWeights(path);
    const name = 'vision_model.encoder.layers.0.self_attn.q_proj.weight';
    const outputs = { y: matmulT(input('x', ['n', 16]), stored(files!.place(name)!)) };
    await (await engine.compile(outputs, { weights: files })).close();
    utimesSync(path, new Date(0), new Date(0));
    await expect(engine.compile(outputs, { weights: files })).rejects.toMatchObject({
      code: 'encoder/changed',
    });
    await close();
  });

  it('are given to the WebAssembly build too', async () => {
    const folder = changed('wasm', half);
    const expected = await embedded(folder);
    build.chosen = { version: '1.30.0' };
    const wasm = createEngine({ threads: 1, note: () => {} });
    const encoder = await loadEncoder(folder, { engine: wasm });
    const { data } = await encoder.embedImages([pixels(32)]);
    await wasm.close();
    data.forEach((x, i) => {
      expect(x).toBeCloseTo(expected.images[i]!, 4);
    });
  });

  it.for([
    {
      form: 'a file of torch.save',
      write: () => join(archived('wide-archive'), 'clip.pt'),
      widen: widenZip,
      name: 'visual.transformer.resblocks.0.mlp.c_fc.weight',
    },
    {
      form: 'safetensors',
      write: () => join(clip('wide'), 'model.safetensors'),
      widen: widenSafetensors,
      name: 'vision_model.encoder.layers.0.mlp.fc1.weight',
    },
  ])('are read by the WebAssembly build from a file above 2 GiB: $form', async (one, { skip }) => {
    const path = one.write();
    try {
      if (!one.widen(path)) skip('The file system has no sparse files');
      const { files, close } = await openWeights(path);
      const outputs = { y: matmulT(input('x', ['n', 16]), stored(files!.place(one.name)!)) };
      const x = floatTensor(
        [1, 16],
        Float32Array.from({ length: 16 }, (_, i) => i / 16),
      );
      const run = async (by: typeof engine) =>
        (await (await by.compile(outputs, { weights: files })).run({ x })).y.data as Float32Array;
      const expected = await run(engine);
      build.chosen = { version: '1.30.0' };
      await using wasm = createEngine({ threads: 1, note: () => {} });
      const own = await run(wasm);
      await close();
      expect(own.length).toBe(64);
      own.forEach((y, i) => {
        expect(y).toBeCloseTo(expected[i]!, 4);
      });
    } finally {
      rmSync(path);
    }
  });

  it('are not used for numbers that lie at an odd place', async () => {
    const folder = clip('odd');
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    const header = Buffer.from(
      `${bytes
        .subarray(8, 8 + length)
        .toString()
        .trimEnd()}`.padEnd(length + 1),
    );
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([size, header, bytes.subarray(8 + length)]));
    const { files, shapes, close } = await openWeights(path);
    expect([...shapes.keys()].filter((name) => files!.place(name))).toEqual([]);
    await close();
    expect(await embedded(folder)).toEqual(await embedded(join(root, 'one')));
  });
});

it('a tensor in a file has no value for the interpreter', () => {
  const place = { file: 'w', offset: 0, dtype: 'float32', shape: [2, 2] } as const;
  const { op, attributes } = stored(place);
  expect(() => op.evaluate([], attributes, stored(place))).toThrow('cannot be interpreted');
});
