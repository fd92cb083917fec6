import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSafetensors } from './safetensors.ts';
import { dictionary, global, tensorCall, text, torchArchive } from './torch-archive.fixture.ts';
import { openTorchArchive } from './torch-archive.ts';

const folder = mkdtempSync(join(tmpdir(), 'torch-'));
afterAll(() => rmSync(folder, { recursive: true }));
const golden = join(import.meta.dirname, '../../../shared/golden/families/torchscript-openai');

function archive(name: string, value: Buffer, files: Record<string, Uint8Array> = {}): string {
  const path = join(folder, name);
  const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  writeFileSync(path, torchArchive(value, { 'm/data/0': storage, ...files }));
  return path;
}

const tensor = (shape: number[], strides: number[], offset?: number, callee?: string) =>
  tensorCall({ shape, strides, offset, callee });

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
    const { entries, isScript, tensor: read, positions } = await openTorchArchive(path);
    expect(isScript).toBe(false);
    expect([...entries.keys()]).toEqual(['a', 'turned', 'part', 'scalar', 'nothing']);
    const values = await Promise.all([...entries.keys()].map(async (name) => [...(await read(name)).data]));
    expect(values).toEqual([[1, 2, 3, 4, 5, 6], [1, 4, 2, 5, 3, 6], [2, 4], [6], []]);
    const places = await positions();
    expect([...places.keys()]).toEqual(['a', 'scalar', 'nothing']);
    const bytes = readFileSync(path);
    expect(['a', 'scalar'].map((name) => bytes.readFloatLE(places.get(name)))).toEqual([1, 6]);
  });

  it('with the same name twice is refused', async () => {
    const path = archive(
      'twice.pt',
      dictionary(text('a'), tensor([1], [1]), text('module.a'), tensor([1], [1], 1)),
    );
    await expect(openTorchArchive(path)).rejects.toThrow('tensor a twice');
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
