import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { checkFile } from '../store/checksum.ts';
import { CONFIGURATION_LIMIT, readRegular, readRegularText } from '../store/regular.ts';
import { openCheckpoint } from './clip/checkpoint.ts';
import { clipFacts } from './clip/facts.ts';
import { dualEncoder } from './dual-encoder.ts';
import { findDualFiles, isWeights, readConfiguration } from './dual-files.ts';
import {
  ENCODER_FILE,
  type EncoderRecord,
  fingerprintOf,
  type RecordedFile,
  tokenizerMeaning,
} from './record.ts';
import { CLIP_DEFAULTS, type EncoderSource } from './registry.ts';

type Json = Readonly<Record<string, unknown>>;

/** The record of an exported model's folder, made from its configuration and the hashes of its weights. */
export async function describeFolder(
  folder: string,
  { id, precision }: EncoderSource & { kind: 'folder' },
  engine: Engine,
): Promise<EncoderRecord> {
  const origin = { id, source: folder, licence: 'unknown', precision };
  const paths = await pathsIn(folder);
  const { all } = findDualFiles(paths, precision, folder);
  const files = await Promise.all(
    all.map(async (path): Promise<RecordedFile> => {
      const { size, sha256 } = await checkFile(join(folder, path), {});
      return { path, bytes: size, sha256 };
    }),
  );
  const record = await dualRecord(folder, files, origin);
  return record.dimension > 0 ? record : measured(record, folder, engine);
}

/** What is known of a model beside its files. */
export type Origin = Pick<EncoderRecord, 'id' | 'source' | 'licence' | 'precision' | 'revision'>;

/** The record of a folder whose files (paths inside it, with `/`) are known and checked. */
export async function dualRecord(
  folder: string,
  files: readonly RecordedFile[],
  origin: Origin,
): Promise<EncoderRecord> {
  const { imageModel, textModel } = findDualFiles(
    files.map(({ path }) => path),
    origin.precision,
    origin.source,
  );
  const configuration = await readConfigurationFiles(folder, files);
  const { preprocessing, text, logitScale, dimension } = isWeights(imageModel)
    ? await weightsFacts(join(folder, imageModel), (path) => configuration.get(path))
    : {
        ...readConfiguration((path) => configuration.get(path)),
        dimension: projectionOf(configuration.get('config.json') ?? {}),
      };
  const tokenizer = await readRegular(join(folder, 'tokenizer.json'), {
    ...ENCODER_FILE,
    limit: CONFIGURATION_LIMIT,
  });
  const weights = files
    .filter(({ path }) => /\.onnx(_data.*)?$|\.safetensors$/.test(path))
    .map(({ sha256 }) => sha256);
  const fingerprint = fingerprintOf({
    weights: weights.sort(),
    precision: origin.precision,
    preprocessing,
    tokenizer: tokenizerMeaning(tokenizer),
    text,
  });
  return {
    format: 1,
    kind: 'dual',
    ...origin,
    fingerprint,
    dimension,
    logitScale,
    preprocessing,
    text,
    defaults: CLIP_DEFAULTS,
    imageModel,
    textModel,
    files: [...files],
  };
}

/** What CLIP's weights and the files beside them say. */
async function weightsFacts(path: string, read: (path: string) => Json | undefined) {
  const checkpoint = await openCheckpoint(path);
  try {
    const { shape, ...facts } = await clipFacts(checkpoint, read);
    return { ...facts, dimension: shape.dimension };
  } finally {
    await checkpoint.close();
  }
}

/** The stated size of an embedding; 0 where none is, until `measured` finds it. */
function projectionOf(config: Json): number {
  const stated = config.projection_dim ?? (config.text_config as Json | undefined)?.projection_dim;
  return typeof stated === 'number' ? stated : 0;
}

/**
 * The record with its dimension as the towers give it: both are run once. Throws `ModelError` where they cannot be run or do
 * not fit together.
 */
export async function measured(
  record: EncoderRecord,
  folder: string,
  engine: Engine,
): Promise<EncoderRecord> {
  const size = record.preprocessing.crop;
  const blank: Pixels = { width: size, height: size, data: new Uint8Array(size * size * 3) };
  const encoder = dualEncoder(record, folder, engine);
  try {
    const { cols } = await encoder.embedImages([blank]);
    const texts = dualEncoder({ ...record, dimension: cols }, folder, engine);
    await texts.embedTexts(['a']).finally(() => texts.close());
    return { ...record, dimension: cols };
  } finally {
    await encoder.close();
  }
}

async function readConfigurationFiles(
  folder: string,
  files: readonly RecordedFile[],
): Promise<Map<string, Json>> {
  const wanted = files.map(({ path }) => path).filter((path) => path.endsWith('.json'));
  const read = wanted.map(async (path): Promise<[string, Json]> => {
    const text = await readRegularText(join(folder, path), ENCODER_FILE);
    try {
      return [path, JSON.parse(text)];
    } catch (cause) {
      throw new ModelError(`${join(folder, path)} is not JSON`, { code: 'encoder/configuration', cause });
    }
  });
  return new Map(await Promise.all(read));
}

/** Files of a folder and of its `onnx/`, as paths with `/`. */
async function pathsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  const inner = await readdir(join(folder, 'onnx')).catch(() => []);
  return [...names, ...inner.map((name) => `onnx/${name}`)];
}
