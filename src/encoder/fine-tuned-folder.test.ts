import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { openCheckpoint } from './clip/checkpoint.ts';
import { changeOf, startMatrices } from './clip/low-rank.ts';
import { SMALL_TOKENIZER, writeSmallClip } from './clip/small-clip.fixture.ts';
import { writeFineTuned } from './fine-tuned-folder.ts';
import { locateEncoder } from './load.ts';

const root = mkdtempSync(join(tmpdir(), 'fine-tuned-'));
vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

const how = { rank: 2, alpha: 1, dropout: 0, towers: 'both' } as const;
const about = { method: 'clip-lora' as const, options: {}, prompts: ['a'], pictures: [], template: 'a {}.' };
const program = join(import.meta.dirname, '../../../shared/golden/families/torchscript-openai');

/** Writes OpenAI's form of weights, a program without a configuration. */
function writeProgram(folder: string): string {
  mkdirSync(folder);
  cpSync(join(program, 'ViT-tiny.pt'), join(folder, 'ViT-tiny.pt'));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(SMALL_TOKENIZER));
  return folder;
}

const forms: Record<string, (folder: string) => string> = {
  hub: (folder) => writeSmallClip(folder, { names: 'hub' }),
  'hub in parts': (folder) => writeSmallClip(folder, { names: 'hub', parts: true }),
  'hub in half precision': (folder) => writeSmallClip(folder, { names: 'hub', half: true }),
  'open_clip, with joint matrices': (folder) => writeSmallClip(folder, { names: 'open-clip' }),
};
if (existsSync(join(program, 'ViT-tiny.pt'))) forms["OpenAI's program (../shared)"] = writeProgram;

it.each(Object.entries(forms))(
  'writes weights of the form %s with the changes added',
  async (name, write) => {
    const place = (kind: string) => join(root, `${name.replace(/\W/g, '')}-${kind}`);
    const parent = await locateEncoder(write(place('parent')));
    const before = await openCheckpoint(join(parent.folder, parent.record.imageModel));
    const none = startMatrices(before.shapes, how, 1);
    // B is zero at the start, so that nothing is changed, and the encoder is the same.
    const same = await writeFineTuned(parent, none, how, about, place('same'));
    expect(same.record.fingerprint).toBe(parent.record.fingerprint);
    expect(same.fineTuned.parent.fingerprint).toBe(parent.record.fingerprint);

    const matrices = Object.fromEntries(
      Object.entries(none).map(([map, { shape, data }]): [string, Tensor] => [
        map,
        floatTensor(
          shape,
          Float32Array.from(data as Float32Array, (x, i) => x + 0.1 * Math.sin(i)),
        ),
      ]),
    );
    const made = await writeFineTuned(parent, matrices, how, about, place('made'));
    const loaded = await locateEncoder(place('made'));
    expect(loaded.record).toEqual(made.record);
    expect(loaded.record.fingerprint).not.toBe(parent.record.fingerprint);
    expect(loaded.record).toMatchObject({ licence: parent.record.licence, defaults: { template: 'a {}.' } });
    const after = await openCheckpoint(join(loaded.folder, loaded.record.imageModel));
    for (const [weight] of before.shapes) {
      const change = changeOf(matrices, weight.replace(/\.weight$/, ''), how);
      const [was, is] = [await before.tensor(weight), await after.tensor(weight)];
      const [old, fresh] = [was.data as Float32Array, is.data as Float32Array];
      // Sums are rounded as the weights are.
      const isRight = old.every((x, i) => Math.fround(x + (change?.[i] ?? 0)) === fresh[i]);
      expect([weight, isRight]).toEqual([weight, true]);
    }
    await Promise.all([before.close(), after.close()]);
  },
);

it("keeps the parent's revision as the parent's", async () => {
  const parent = await locateEncoder(writeSmallClip(join(root, 'revised'), { names: 'hub' }));
  const revised = { ...parent, record: { ...parent.record, revision: 'abc' } };
  const { record, fineTuned } = await writeFineTuned(revised, {}, how, about, join(root, 'of-revised'));
  expect([record.revision, fineTuned.parent.revision]).toEqual([undefined, 'abc']);
});

it('writes into no folder with files, and leaves nothing behind', async () => {
  const parent = await locateEncoder(writeSmallClip(join(root, 'small'), { names: 'hub' }));
  const output = join(root, 'full');
  mkdirSync(output);
  writeFileSync(join(output, 'notes.txt'), 'mine');
  await expect(writeFineTuned(parent, {}, how, about, output)).rejects.toMatchObject({
    code: 'fine-tune/output',
  });
  expect(readdirSync(output)).toEqual(['notes.txt']);
  expect(readdirSync(root).filter((entry) => entry.startsWith('.tip-adapter'))).toEqual([]);
});
