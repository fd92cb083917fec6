import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSmallClip } from '../src/encoder/clip/small-clip.fixture.ts';
import { describeFolder } from '../src/encoder/dual-record.ts';
import { loadEncoder } from '../src/encoder/load.ts';
import { RECORD_FILE } from '../src/encoder/record.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import type { Encoder } from '../src/encoder/types.ts';
import { sharedEngine } from '../src/engine/shared.ts';
import type { Pixels } from '../src/image/types.ts';
import type { Matrix } from '../src/math/matrix.ts';
import type { Random } from '../src/math/random.ts';
import type { Tensor, TensorData } from '../src/math/tensor.ts';
import { encodeSafetensors, parseSafetensors } from '../src/store/safetensors.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, mutateJson, mutateText, pick } from './mutate.ts';

/** An encoder's embeddings of a picture and of some texts. */
interface Answers {
  readonly fingerprint: string;
  readonly numbers: readonly number[];
}

interface Original {
  readonly folder: string;
  readonly files: readonly string[];
  readonly answers: Answers;
}

const TEXTS = ['a cat, dog.', 'red', 'a photo of a red and very long green bicycle in the distance'];

export const campaign: Campaign = {
  title: "Encoders' folders: ONNX pairs, weights under both names, records",
  seconds: 30,
  megabytes: 1536,
  prepare: async (folder) => {
    const at = (name: string) => join(folder, name);
    await writeSmallEncoder(at('onnx'));
    writeSmallClip(at('hub'), { names: 'hub' });
    writeSmallClip(at('parts'), { names: 'hub', parts: true });
    writeSmallClip(at('open-clip'), { names: 'open-clip', half: true });
    await writeSmallEncoder(at('recorded'));
    const source = { kind: 'folder', id: 'recorded', path: at('recorded'), precision: 'fp32' } as const;
    const record = await describeFolder(at('recorded'), source, sharedEngine());
    await writeFile(join(at('recorded'), RECORD_FILE), JSON.stringify(record));
  },
  open: async (folder, scratch) => {
    const originals = await Promise.all(
      (await readdir(folder)).map(async (name): Promise<Original> => {
        const path = join(folder, name);
        return { folder: path, files: await readdir(path), answers: await answersOf(path) };
      }),
    );
    const mutant = join(scratch, 'encoder');
    return async (random) => {
      const original = pick(random, originals);
      await rm(mutant, { recursive: true, force: true });
      await mkdir(mutant);
      for (const file of original.files) await copyFile(join(original.folder, file), join(mutant, file));
      // The files keep the hashes in the record, which were checked at the download. Only the record itself differs.
      const recorded = original.files.includes(RECORD_FILE);
      const file = recorded ? RECORD_FILE : pick(random, original.files);
      await mutate(mutant, file, original, random);
      const { fingerprint, numbers } = await answersOf(mutant);
      if (fingerprint === original.answers.fingerprint && !recorded)
        assert.deepEqual(numbers, original.answers.numbers, `${file}: other numbers under one fingerprint`);
    };
  },
};

async function answersOf(folder: string): Promise<Answers> {
  const encoder = await loadEncoder(folder, { pull: false });
  try {
    const images = await encoder.embedImages([pictureFor(encoder), pictureFor(encoder)]);
    const texts = await encoder.embedTexts?.(TEXTS);
    checkNumbers(images, 2, encoder);
    if (texts) checkNumbers(texts, TEXTS.length, encoder);
    return { fingerprint: encoder.fingerprint, numbers: [...images.data, ...(texts?.data ?? [])] };
  } finally {
    await encoder.close();
  }
}

function pictureFor({ preprocessing: { crop: side } }: Encoder): Pixels {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 37) % 256);
  return { width: side, height: side, data };
}

function checkNumbers({ rows, cols, data }: Matrix, count: number, { dimension }: Encoder): void {
  assert.deepEqual([rows, cols, data.length], [count, dimension, count * dimension]);
  assert(data.every(Number.isFinite), `embeddings hold ${data.find((x) => !Number.isFinite(x))}`);
}

/** Changes one file of a folder, in a way that depends on its format, or the folder itself. */
async function mutate(folder: string, file: string, { files }: Original, random: Random): Promise<void> {
  const path = join(folder, file);
  const bytes = await readFile(path);
  switch (random.integer(12)) {
    case 0:
      return rm(path);
    case 1:
      return writeFile(path, '');
    case 2:
      return copyFile(join(folder, pick(random, files)), path);
    case 3:
      await rm(path);
      return void (await mkdir(path));
    case 4:
      return writeFile(path, mutateBytes(bytes, random));
    default:
      if (file.endsWith('.safetensors')) return writeFile(path, mutateSafetensors(bytes, random));
      if (file.endsWith('.json')) return writeFile(path, mutateConfiguration(bytes.toString(), random));
      return writeFile(path, mutateBytes(bytes, random));
  }
}

function mutateConfiguration(text: string, random: Random): string {
  if (random.integer(6) === 0) return mutateText(text, random);
  const mutant = mutateJson(JSON.parse(text), random);
  const deep = random.integer(40) === 0 ? { deep: '[' } : undefined;
  const json = JSON.stringify(deep ? { ...(mutant as object), ...deep } : mutant) ?? '';
  return deep ? json.replace('"deep":"["', `"deep":${'['.repeat(2e5)}${']'.repeat(2e5)}`) : json;
}

const ODD_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, 3e38, -3e38, 1e-45, 0, 65504];
const ODD_NAMES = ['visual.extra', 'text_model.extra', 'logit_bias', 'visual.bn1.weight', 'toString'];

/** Changes the header, or the tensors with a matching header. */
function mutateSafetensors(bytes: Buffer, random: Random): Uint8Array {
  if (random.integer(3) === 0) {
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.stringify(mutateJson(JSON.parse(bytes.toString('utf8', 8, 8 + length)), random));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
    return Buffer.concat([size, Buffer.from(header), bytes.subarray(8 + length)]);
  }
  const tensors: Record<string, Tensor> = Object.fromEntries(parseSafetensors(bytes).tensors);
  const [name, tensor] = pick(random, Object.entries(tensors));
  const { dtype, shape, data } = tensor;
  const other = data.slice() as TensorData;
  switch (random.integer(6)) {
    case 0:
      delete tensors[name];
      break;
    case 1:
      tensors[pick(random, ODD_NAMES)] = tensor;
      break;
    case 2:
      tensors[name] = pick(random, Object.values(tensors));
      break;
    case 3:
      tensors[name] = {
        dtype,
        shape: pick(random, [[...shape].reverse(), [1, ...shape], [data.length]]),
        data,
      };
      break;
    case 4:
      tensors[name] = { dtype: 'float64', shape, data: Float64Array.from(data as Float32Array) };
      break;
    default:
      for (let changes = 1 + random.integer(3); changes > 0 && other.length > 0; changes--)
        other[random.integer(other.length)] = pick(random, ODD_NUMBERS) as never;
      tensors[name] = { dtype, shape, data: other };
  }
  return encodeSafetensors(new Map(Object.entries(tensors)));
}
