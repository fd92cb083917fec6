import { access, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSource } from '../classifier/image-source.ts';
import type { ImageSource, Prediction } from '../classifier/types.ts';
import { signatureOf } from '../image/signature.ts';
import { sha256 } from '../sha256.ts';
import { diskError, writeFileAtomic } from '../store/atomic.ts';
import { unlessMissing } from '../store/regular.ts';

export interface SamplesOptions {
  /** The folder that pictures are saved in. It is made if it is missing. */
  readonly folder: string;
  /** Probability with which a picture is saved, 0 to 1. */
  readonly share: number;
  /** Largest size of the folder, in bytes. */
  readonly limit: number;
  /** Called once for each chosen picture. Only the outcome `failed` has an `error`. */
  onSample(outcome: 'saved' | 'known' | 'full' | 'busy' | 'failed', error?: unknown): void;
}

/** The answer that is saved with a picture. It has no name of a picture or client. */
export interface SampleAnswer {
  readonly model: string;
  readonly version: number;
  readonly hash: string;
  readonly prediction: Prediction;
}

export interface Samples {
  /** Chooses whether to save a picture and its answer, and saves it in the background. */
  offer(image: ImageSource, answer: SampleAnswer): void;
  /** Resolves when all chosen pictures are saved. */
  close(): Promise<void>;
}

/** Largest number of pictures that are being saved, because their bytes stay in memory meanwhile. */
const MOST_AT_ONCE = 16;

/** Number of classes of an answer that are saved. */
const RANKED = 5;

/**
 * Saves a random share of the pictures, each as a file named by the sha256 of its bytes, with its answer beside it as JSON. A picture
 * that the folder has is not saved again. When the folder has the largest size, nothing more is saved. Throws `DataError` (`disk/…`)
 * if the folder cannot be made or read.
 */
export async function openSamples({ folder, share, limit, onSample }: SamplesOptions): Promise<Samples> {
  let size = await sizeOf(folder);
  const saving = new Set<Promise<void>>();

  async function save(image: ImageSource, { prediction, ...by }: SampleAnswer): Promise<void> {
    const bytes = await readSource(image).read();
    const name = sha256(bytes);
    const { image: _, ranking, ...answer } = prediction;
    const facts = { time: new Date().toISOString(), ...by, ...answer, ranking: ranking.slice(0, RANKED) };
    const text = `${JSON.stringify(facts, null, 2)}\n`;
    const answerPath = join(folder, `${name}.json`);
    if (await isThere(answerPath)) return onSample('known');
    const added = bytes.length + Buffer.byteLength(text);
    if (size + added > limit) return onSample('full');
    size += added;
    const picturePath = join(folder, `${name}.${signatureOf(bytes)?.name.toLowerCase() ?? 'bin'}`);
    try {
      await writeFileAtomic(picturePath, bytes);
      await writeFileAtomic(answerPath, text);
    } catch (error) {
      await rm(picturePath, { force: true });
      size -= added;
      throw error;
    }
    onSample('saved');
  }

  return {
    offer: (image, answer) => {
      if (Math.random() >= share) return;
      if (saving.size >= MOST_AT_ONCE) return onSample('busy');
      const saved = save(image, answer)
        .catch((error) => onSample('failed', error))
        .finally(() => saving.delete(saved));
      saving.add(saved);
    },
    close: async () => {
      await Promise.all(saving);
    },
  };
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The size of the files of a folder, in bytes. Makes the folder, which only this user can read. */
async function sizeOf(folder: string): Promise<number> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = await readdir(folder);
    let sum = 0;
    for (const name of names) sum += (await stat(join(folder, name)).catch(unlessMissing))?.size ?? 0;
    return sum;
  } catch (error) {
    throw diskError(error, folder);
  }
}
