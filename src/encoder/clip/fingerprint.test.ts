import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkEncoder } from '../../classifier/encoder-reference.ts';
import { createEngine } from '../../engine/node.ts';
import { floatTensor, type Tensor } from '../../math/tensor.ts';
import { sha256 } from '../../sha256.ts';
import { encodeSafetensors, parseSafetensors } from '../../store/safetensors.ts';
import { describeFolder, dualRecord } from '../dual-record.ts';
import { hasFingerprint } from '../fingerprints.ts';
import { alreadyHashed, hashedFiles } from '../folder-hashes.ts';
import { encoderFolder, findEncoder } from '../installed.ts';
import { joinEncoders } from '../joined.ts';
import { loadEncoder } from '../load.ts';
import {
  type EncoderRecord,
  fingerprintOf,
  type PairRecord,
  RECORD_FILE,
  tokenizerMeaning,
} from '../record.ts';
import type { StoredWeights } from './checkpoint.ts';
import { SMALL_TOKENIZER, writeSmallClip } from './small-clip.fixture.ts';
import { hashOfTensors } from './tensor-hash.ts';
import { widened } from './weights.ts';

const root = mkdtempSync(join(tmpdir(), 'fingerprint-'));
const engine = createEngine({ threads: 1 });
beforeAll(() => vi.stubEnv('TIP_ADAPTER_HOME', join(root, 'home')));
afterAll(async () => {
  vi.unstubAllEnvs();
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

let folders = 0;
const newFolder = () => {
  const folder = join(root, `model${folders++}`);
  mkdirSync(folder);
  return folder;
};
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

async function recordOf(folder: string): Promise<EncoderRecord> {
  return describeFolder(folder, { kind: 'folder', id: folder, path: folder, precision: 'fp32' }, engine);
}

/** The small CLIP, with changes of its JSON files. */
async function printOf(
  form: Parameters<typeof writeSmallClip>[1],
  changes: Record<string, (was: Record<string, never>) => unknown> = {},
): Promise<string> {
  const folder = writeSmallClip(newFolder(), form);
  // Both forms of the fixture with OpenAI's colours.
  if (form.names === 'open-clip') change(folder, 'open_clip_config.json', ({ model_cfg }) => ({ model_cfg }));
  for (const [name, made] of Object.entries(changes)) change(folder, name, made);
  return (await recordOf(folder)).fingerprint;
}

function change(folder: string, name: string, made: (was: Record<string, never>) => unknown): void {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(made(json(path))));
}

describe('the fingerprint of weights', () => {
  it('is the same for all ways to say a model, and another one for another model', async () => {
    const hub = await printOf({ names: 'hub' });
    expect(await printOf({ names: 'hub', parts: true })).toBe(hub);
    expect(await printOf({ names: 'open-clip' })).toBe(hub);
    const newer = ({ model, ...others }: Record<string, object>) => ({
      ...others,
      version: '2.0',
      decoder: null,
      model: { ...model, byte_fallback: false, ignore_merges: false, merges: [['a', 'b</w>']] },
    });
    const older = ({ model, ...others }: Record<string, object>) => ({
      ...others,
      model: { ...model, merges: ['a b</w>'] },
    });
    const merged = await printOf({ names: 'hub' }, { 'tokenizer.json': newer });
    expect(await printOf({ names: 'open-clip' }, { 'tokenizer.json': older })).toBe(merged);
    const others = [
      merged,
      // Weights that were rounded to half precision are other numbers.
      await printOf({ names: 'hub', half: true }),
      await printOf({ names: 'open-clip', seed: 2 }),
      await printOf({ names: 'hub' }, { 'preprocessor_config.json': (was) => ({ ...was, resample: 2 }) }),
      await printOf(
        { names: 'open-clip' },
        {
          'open_clip_config.json': ({ model_cfg }) => ({
            model_cfg: { ...Object(model_cfg), quick_gelu: false },
          }),
        },
      ),
    ];
    expect(new Set([hub, ...others]).size).toBe(1 + others.length);
  });

  it.each(['model.safetensors', 'tokenizer.json'])(
    'is refused and not remembered if %s is replaced after its hash was taken',
    async (name) => {
      const folder = writeSmallClip(newFolder(), { names: 'hub', seed: 3 });
      change(folder, 'tokenizer.json', (was) => ({ ...was, test: name }));
      const files = await hashedFiles(folder, readdirSync(folder));
      const first = readFileSync(join(folder, name));
      const other = writeSmallClip(newFolder(), { names: 'hub', seed: 4 });
      cpSync(join(other, name), join(folder, name));
      const origin = { id: 'small', source: folder, licence: 'unknown', precision: 'fp32' } as const;
      await expect(dualRecord(folder, alreadyHashed(files), origin)).rejects.toMatchObject({
        code: 'encoder/changed',
      });
      const { fingerprint } = await recordOf(folder);
      writeFileSync(join(folder, name), first);
      expect((await recordOf(folder)).fingerprint).not.toBe(fingerprint);
    },
  );

  it('is remembered for the same weights, also if another file was changed', async () => {
    const folder = writeSmallClip(newFolder(), { names: 'hub', seed: 6 });
    const { fingerprint } = await recordOf(folder);
    // Numbers that the hash of the tensors refuses, so that it is computed no more.
    const weights = join(folder, 'model.safetensors');
    const bytes = readFileSync(weights);
    writeFileSync(weights, bytes.fill(255, bytes.length - 4));
    await expect(recordOf(folder)).rejects.toMatchObject({ code: 'weights/not-finite' });
    // Waits until the table is written.
    change(folder, 'tokenizer.json', (was) => ({ ...was, test: 'once' }));
    await hashedFiles(folder, ['tokenizer.json']);
    const table = join(root, 'home/encoders/.folder-hashes.json');
    const known = { ...json(table), [`tensors 1 of ${sha256(bytes)}`]: ['', '1'.repeat(64)] };
    writeFileSync(table, JSON.stringify(known));
    change(folder, 'tokenizer.json', (was) => ({ ...was, test: 'changed' }));
    expect((await recordOf(folder)).fingerprint).not.toBe(fingerprint);
  });

  it('that cannot be computed leaves no thread that hashes', async () => {
    const folder = newFolder();
    const weights = join(folder, 'open_clip_model.safetensors');
    writeFileSync(weights, '');
    truncateSync(weights, 2 ** 33);
    writeFileSync(join(folder, 'tokenizer.json'), '{');
    const threads: Worker[] = [];
    const note = (thread: Worker) => void threads.push(thread);
    process.on('worker', note);
    await expect(recordOf(folder)).rejects.toThrow('tokenizer.json');
    await setTimeout(500);
    expect(threads.filter(({ threadId }) => threadId >= 0)).toEqual([]);
    process.off('worker', note);
  });

  it('is an error that can be caught if a file fails while the tensors of another are read', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const [inFile, elsewhere] = ['a', 'b'].map((source) => [source, { source, shape: [1] }] as const);
    const stored = {
      shapes: new Map(),
      tensor: async () => {
        await setTimeout(100);
        return floatTensor([1], Float32Array.of(1));
      },
      files: {
        folder: root,
        place: (name: string) =>
          name === 'a' ? ({ file: 'none', offset: 0, dtype: 'float32', shape: [1] } as const) : undefined,
      },
      close: async () => {},
    };
    const hash = hashOfTensors(stored as unknown as StoredWeights, new Map([inFile!, elsewhere!]));
    await expect(hash).rejects.toThrow('none');
    expect(unhandled).not.toHaveBeenCalled();
    process.off('unhandledRejection', unhandled);
  });

  it('does not depend on hashes that were remembered without the version of their meaning', async () => {
    const folder = writeSmallClip(newFolder(), { names: 'hub', seed: 5 });
    change(folder, 'tokenizer.json', (was) => ({ ...was, test: 'version' }));
    const hashes = readdirSync(folder).map((name) => sha256(readFileSync(join(folder, name))));
    const kinds = ['tensors', 'tokenizer', 'tokenizer in one form'];
    const names = kinds.flatMap((kind) => hashes.map((hash) => `${kind} of ${hash}`));
    const table = join(root, 'home/encoders/.folder-hashes.json');
    const wrong = Object.fromEntries(names.map((name) => [name, ['', '1'.repeat(64)]]));
    writeFileSync(table, JSON.stringify(wrong));
    const { fingerprint } = await recordOf(folder);
    writeFileSync(table, '{}');
    expect((await recordOf(folder)).fingerprint).toBe(fingerprint);
  });

  it('that is missing is that of no encoder', () => {
    const missing = undefined as unknown as string;
    expect(hasFingerprint({ fingerprint: 'a' }, missing)).toBe(false);
    expect(hasFingerprint({ fingerprint: 'a', formerFingerprint: 'b' }, 'b')).toBe(true);
  });

  it('accepts that of earlier versions, by the hashes of the files', async () => {
    const folder = writeSmallClip(newFolder(), { names: 'hub' });
    const record = (await recordOf(folder)) as PairRecord;
    const { precision, preprocessing, text, recipe } = record;
    const former = fingerprintOf({
      weights: [sha256(readFileSync(join(folder, 'model.safetensors')))],
      tokenizer: tokenizerMeaning(SMALL_TOKENIZER),
      ...{ precision, preprocessing, text, recipe },
    });
    expect(record.formerFingerprint).toBe(former);
    expect(record.fingerprint).not.toBe(former);
    const encoder = await loadEncoder(folder, { engine });
    const reference = { ...encoder, fingerprint: former };
    checkEncoder(reference, encoder);
    const other = { ...reference, fingerprint: '0'.repeat(64) };
    expect(() => checkEncoder(other, encoder)).toThrow('fitted with');
    const joined = joinEncoders([encoder, encoder], [1, 3]);
    const before = joinEncoders([reference, reference], [1, 3]);
    expect(before.fingerprint).not.toBe(joined.fingerprint);
    expect(hasFingerprint(joined, before.fingerprint)).toBe(true);
    await encoder.close();
  });

  it('replaces that of an installed encoder, which is still accepted', async () => {
    const folder = encoderFolder('small');
    writeSmallClip(folder, { names: 'hub' });
    const { formerFingerprint, ...record } = await recordOf(folder);
    const old = { ...record, id: 'small', fingerprint: formerFingerprint };
    writeFileSync(join(folder, RECORD_FILE), JSON.stringify(old));
    const encoder = await loadEncoder('small', { engine });
    expect(encoder).toMatchObject({ fingerprint: record.fingerprint, formerFingerprint });
    await encoder.close();
    expect((await findEncoder('small'))?.record).toEqual({ ...record, id: 'small', formerFingerprint });
  });
});

const golden = join(import.meta.dirname, '../../../../shared/golden/families/torchscript-openai');

describe.skipIf(!existsSync(golden))('the fingerprint of OpenAI weights (../shared/golden/families)', () => {
  const folderOf = (weights: string | Uint8Array, name: string) => {
    const folder = newFolder();
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(SMALL_TOKENIZER));
    if (typeof weights === 'string') cpSync(join(golden, weights), join(folder, name));
    else writeFileSync(join(folder, name), weights);
    const configuration = { model_cfg: { quick_gelu: true, text_cfg: { heads: 1 } } };
    if (name !== 'ViT-tiny.pt')
      writeFileSync(join(folder, 'open_clip_config.json'), JSON.stringify(configuration));
    return folder;
  };
  const tensors = () => parseSafetensors(readFileSync(join(golden, 'state_dict.safetensors'))).tensors;

  it('is that of the program, of its state dictionary, and of the same numbers in single precision', async () => {
    const single = new Map([...tensors()].map(([name, tensor]) => [name, numbersOf(tensor)]));
    const prints = [];
    for (const [weights, name] of [
      ['ViT-tiny.pt', 'ViT-tiny.pt'],
      ['state_dict.pt', 'state_dict.pt'],
      ['state_dict.safetensors', 'open_clip_model.safetensors'],
      [encodeSafetensors(single), 'open_clip_model.safetensors'],
    ] as const)
      prints.push((await recordOf(folderOf(weights, name))).fingerprint);
    expect(new Set(prints).size).toBe(1);
  });
});

/** A tensor in single precision, if it holds such numbers. */
function numbersOf(tensor: Tensor): Tensor {
  return tensor.dtype === 'float16' ? widened(tensor, 'a tensor') : tensor;
}
