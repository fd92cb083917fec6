import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSafetensors } from './safetensors.ts';
import { openTorchArchive } from './torch-archive.ts';

const folder = mkdtempSync(join(tmpdir(), 'torch-'));
afterAll(() => rmSync(folder, { recursive: true }));
const golden = join(import.meta.dirname, '../../../shared/golden/families/torchscript-openai');

/** The operations of a pickle. */
const text = (value: string) => Buffer.concat([Buffer.of(0x58, value.length, 0, 0, 0), Buffer.from(value)]);
const global = (name: string) => Buffer.from(`c${name.replace(/\.(\w+)$/, '\n$1')}\n`);
const numbers = (...values: number[]) =>
  Buffer.concat([Buffer.from('('), ...values.map((n) => Buffer.of(0x4b, n)), Buffer.from('t')]);

/** A call of `_rebuild_tensor_v2` for float32 numbers in the storage 0. */
function tensor(shape: number[], strides: number[], offset = 0, callee = 'torch._utils._rebuild_tensor_v2') {
  const storage = [text('storage'), global('torch.FloatStorage'), text('0'), text('cpu'), Buffer.of(0x4b, 6)];
  return Buffer.concat([
    global(callee),
    Buffer.from('(('),
    ...storage,
    Buffer.from('tQ'),
    Buffer.of(0x4b, offset),
    numbers(...shape),
    numbers(...strides),
    Buffer.of(0x89),
    Buffer.from(')tR'),
  ]);
}

function archive(name: string, value: Buffer, files: Record<string, Uint8Array> = {}): string {
  const path = join(folder, name);
  const pickle = Buffer.concat([Buffer.of(0x80, 2), value, Buffer.from('.')]);
  const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  writeFileSync(path, zipSync({ 'm/data.pkl': pickle, 'm/data/0': storage, ...files }, { level: 0 }));
  return path;
}

const dictionary = (...items: Buffer[]) => Buffer.concat([Buffer.from('}('), ...items, Buffer.from('u')]);

describe('a file of torch.save', () => {
  it('holds tensors in any order of their axes, as parts of a storage, and behind a module', async () => {
    const path = archive(
      'forms.pt',
      dictionary(
        ...[text('module.a'), tensor([2, 3], [3, 1])],
        ...[text('turned'), tensor([3, 2], [1, 3])],
        ...[text('part'), tensor([2], [2], 1)],
        ...[text('scalar'), tensor([], [], 5)],
        ...[text('nothing'), tensor([0, 4], [4, 1])],
      ),
    );
    const { entries, isScript, tensor: read } = await openTorchArchive(path);
    expect(isScript).toBe(false);
    expect([...entries.keys()]).toEqual(['a', 'turned', 'part', 'scalar', 'nothing']);
    const values = await Promise.all([...entries.keys()].map(async (name) => [...(await read(name)).data]));
    expect(values).toEqual([[1, 2, 3, 4, 5, 6], [1, 4, 2, 5, 3, 6], [2, 4], [6], []]);
  });

  it('is not run: a call that tensors do not need is refused, and the error names it', async () => {
    const evil = Buffer.concat([global('os.system'), Buffer.from('('), text('true'), Buffer.from('tR')]);
    const refused = openTorchArchive(archive('evil.pt', dictionary(text('a'), evil)));
    await expect(refused).rejects.toMatchObject({
      code: 'torch/unreadable',
      message: expect.stringContaining('os.system'),
    });
  });

  it.each([
    ['ends in the middle', tensor([2, 3], [3, 1]).subarray(0, 30)],
    ['has an operation that PyTorch does not write', Buffer.from('P1\n')],
    ['has no tensor', dictionary()],
    ['reaches beyond its storage', dictionary(text('a'), tensor([3, 3], [3, 1]))],
    ['begins beyond its storage', dictionary(text('a'), tensor([1], [1], 9))],
    ['has a part of a list without a mark', Buffer.from('te')],
  ])('that %s is refused', async (_, value) => {
    await expect(openTorchArchive(archive('bad.pt', value))).rejects.toMatchObject({
      code: 'torch/unreadable',
    });
  });

  it('in the format before zip, or in big-endian order, is refused', async () => {
    writeFileSync(join(folder, 'legacy.pt'), Buffer.from([0x80, 2, 0x8a, 10, ...Array(40).fill(1)]));
    await expect(openTorchArchive(join(folder, 'legacy.pt'))).rejects.toThrow('since version 1.6');
    const big = archive('big.pt', dictionary(text('a'), tensor([1], [1])), {
      'm/byteorder': Buffer.from('big'),
    });
    await expect(openTorchArchive(big)).rejects.toThrow('big-endian');
  });
});

describe.skipIf(!existsSync(golden))("PyTorch's own files (../shared/golden/families)", () => {
  it.each([
    ['forms', 'forms'],
    ['state_dict', 'state_dict'],
  ])('%s.pt holds the tensors of %s.safetensors', async (pt, wanted) => {
    const { tensors } = parseSafetensors(readFileSync(join(golden, `${wanted}.safetensors`)));
    const { entries, tensor: read } = await openTorchArchive(join(golden, `${pt}.pt`));
    expect([...entries.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { dtype, shape, data }] of tensors) {
      const got = await read(name);
      expect([name, got.dtype, got.shape]).toEqual([name, dtype, shape]);
      expect(Buffer.from(got.data.buffer, got.data.byteOffset, got.data.byteLength)).toEqual(
        Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      );
    }
  });

  it('of a training and of TorchScript have the names of the state dictionary', async () => {
    const names = async (file: string) =>
      [...(await openTorchArchive(join(golden, file))).entries.keys()].sort();
    const script = await openTorchArchive(join(golden, 'ViT-tiny.pt'));
    expect(script.isScript).toBe(true);
    expect(await names('ViT-tiny.pt')).toEqual(await names('state_dict.pt'));
    expect((await names('open_clip_train.pt')).every((name) => !name.startsWith('module.'))).toBe(true);
    await expect(openTorchArchive(join(golden, 'legacy.pt'))).rejects.toThrow('since version 1.6');
  });
});
