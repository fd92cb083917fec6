import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../abort.ts';
import { openEncoder } from '../classifier/fit.ts';
import { floatColumn, numbersOf, parquetBytes } from '../dataset/parquet-writer.ts';
import { checkedEncoder } from '../encoder/checked.ts';
import { withEqualWeights } from '../encoder/joined.ts';
import { checkEncoderName } from '../encoder/load.ts';
import { checkReads } from '../encoder/prompts.ts';
import { DataError, UsageError } from '../errors.ts';
import { concatRows, type Matrix } from '../math/matrix.ts';
import { resolveOptions } from '../options.ts';
import { csvRecord } from '../report/table.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { folderStore } from '../store/folder-store.ts';
import { npyHeader } from '../store/npy.ts';
import { encodeSafetensors } from '../store/safetensors.ts';
import { isStoreAddress } from '../store/store-address.ts';
import { version } from '../version.ts';
import type { EmbedOptions } from './embed.ts';
import { type EmbedValues, embedOptions } from './embed-options.ts';
import { otherFiles } from './embed-work.ts';

/** Options of `embedTexts`. */
export interface EmbedTextsOptions
  extends Pick<
    EmbedOptions,
    'output' | 'encoder' | 'format' | 'dtype' | 'note' | 'ask' | 'onPull' | 'signal'
  > {
  onProgress?(progress: { done: number; total: number }): void;
}

/** Number of texts that are embedded together. */
const TOGETHER = 64;

/** `embedTexts` of the package. */
export async function embedTexts(
  texts: readonly string[],
  { output, encoder: wanted = 'auto', note, ask, onPull, signal, onProgress, ...given }: EmbedTextsOptions,
): Promise<{ encoder: string; dimension: number; texts: number }> {
  const values = resolveOptions(embedOptions, {
    ...given,
    encoder: typeof wanted === 'string' ? wanted : checkedEncoder(wanted).id,
  });
  if (texts.length === 0)
    throw new DataError('There is no text to embed', {
      code: 'embed/no-text',
      hint: 'Give a file with one text on each line.',
    });
  if (isStoreAddress(output))
    throw new UsageError(`Texts are embedded into a folder, not ${output}`, {
      code: 'usage',
      hint: 'Give a folder, and copy it into the store afterwards.',
    });
  await checkFolder(output);
  if (typeof wanted === 'string') await checkEncoderName(wanted);
  const encoder = withEqualWeights(await openEncoder(wanted, { note, ask, onPull, signal }));
  try {
    checkReads(encoder);
    const parts: Matrix[] = [];
    for (let at = 0; at < texts.length; at += TOGETHER) {
      parts.push(await encoder.embedTexts(texts.slice(at, at + TOGETHER), { signal }));
      onProgress?.({ done: Math.min(at + TOGETHER, texts.length), total: texts.length });
    }
    const { id: model, fingerprint, source, dimension } = encoder;
    // info.json is the first file to be removed: if the run ends early, it must not stand beside the numbers of another encoder.
    for (const name of NAMES) await rm(join(output, name), { force: true });
    await writeTexts(output, texts, concatRows(parts), values, { signal });
    const info = { format: FORMAT, version: 1, model, fingerprint, source, dimension };
    const more = { dtype: values.dtype, texts: texts.length, createdBy: `tip-adapter ${version}` };
    const text = JSON.stringify({ ...info, ...more }, undefined, 2);
    await writeFileAtomic(join(output, INFO_NAME), `${text}\n`, { signal });
    return { encoder: model, dimension, texts: texts.length };
  } finally {
    if (typeof wanted === 'string') await encoder.close();
  }
}

const FORMAT = 'tip-adapter texts';
const INFO_NAME = 'info.json';
/** All files that `embedTexts` writes in any format. */
const NAMES = [INFO_NAME, 'texts.npy', 'texts.safetensors', 'texts.csv', 'texts.parquet'];

/** Refuses a folder that holds anything but features of texts, finished or not. */
async function checkFolder(output: string): Promise<void> {
  const store = folderStore(output);
  for await (const { key } of store.list()) {
    const isOwn =
      key === INFO_NAME
        ? Buffer.from(await store.read(key)).includes(`"format": "${FORMAT}"`)
        : NAMES.includes(key);
    if (!isOwn) throw otherFiles(output, key);
  }
}

async function writeTexts(
  folder: string,
  texts: readonly string[],
  features: Matrix,
  { format, dtype }: EmbedValues,
  options: Abortable,
): Promise<void> {
  const write = (name: string, content: Parameters<typeof writeFileAtomic>[1]) =>
    writeFileAtomic(join(folder, name), content, options);
  if (format === 'parquet' || format === 'parquet-list') {
    const lists = format === 'parquet-list';
    const columns = [
      { name: 'text', type: 'text', values: texts } as const,
      floatColumn('features', features, dtype, lists),
    ];
    const metadata = { dtype: lists ? 'float32' : dtype, dimension: String(features.cols) };
    return write('texts.parquet', await parquetBytes(columns, metadata));
  }
  const data = numbersOf(features, dtype);
  const shape = [features.rows, features.cols];
  if (format === 'npy') {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await write('texts.npy', [npyHeader(dtype, shape), bytes]);
  } else await write('texts.safetensors', encodeSafetensors({ features: { dtype, shape, data } }));
  const records = texts.map((text, i) => csvRecord([String(i), text]));
  return write('texts.csv', [csvRecord(['index', 'text']), ...records].join(''));
}
