import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, waitFor } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { isLfsPointer, LARGEST_POINTER, lfsPointer } from '../store/lfs-pointer.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { checkEmbeddings, checkedEncoder } from './checked.ts';
import { openCheckpoint, openWeights } from './clip/checkpoint.ts';
import { clipFacts, clipTextRule } from './clip/facts.ts';
import { checkReleases } from './clip/openai-releases.ts';
import { ENCODER_FILE, readConfigurationFiles } from './configuration-files.ts';
import {
  type DualConfiguration,
  findDualFiles,
  isWeights,
  MODEL_FOLDERS,
  readConfiguration,
} from './dual-files.ts';
import { encoderOf } from './encoder-of.ts';
import { externalFiles } from './external-data.ts';
import type { Json } from './fields.ts';
import { hashedFiles } from './folder-hashes.ts';
import { type EncoderRecord, fingerprintOf, type RecordedFile, tokenizerMeaning } from './record.ts';
import { CLIP_DEFAULTS, type EncoderSource } from './registry.ts';
import { type VisionFamily, visionFamily } from './vision/configuration.ts';
import { type VisionFacts, visionFacts } from './vision/facts.ts';

/** Throws `ModelError` if a folder does not have the files of a model. It does not read them. */
export async function checkFolder(
  folder: string,
  { precision }: EncoderSource & { kind: 'folder' },
): Promise<void> {
  findDualFiles(await pathsIn(folder), precision, folder);
}

/** The record of an exported model's folder, made from its configuration and the hashes of its weights. */
export async function describeFolder(
  folder: string,
  { id, precision }: EncoderSource & { kind: 'folder' },
  engine: Engine,
  { signal }: Abortable = {},
): Promise<EncoderRecord> {
  const origin = { id, source: folder, licence: 'unknown', precision };
  const paths = await pathsIn(folder);
  const { all, imageModel, textModel } = findDualFiles(paths, precision, folder);
  const external = await externalFiles(folder, [imageModel, textModel]);
  const files = await hashedFiles(folder, [...new Set([...all, ...external])], signal);
  const record = await dualRecord(folder, files, origin);
  return record.dimension > 0 ? record : measured(record, folder, engine, { signal });
}

/** Facts about a model that its files do not state. */
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
  await refusePointers(folder, files);
  const read = await readConfigurationFiles(
    folder,
    files.map(({ path }) => path),
  );
  checkReleases(files);
  const weights = files.filter(({ path }) => !path.endsWith('.json')).map(({ sha256 }) => sha256);
  const common = { format: 1 as const, files: [...files], ...origin, defaults: CLIP_DEFAULTS, imageModel };
  const family = isWeights(imageModel) ? visionFamily(read) : undefined;
  if (family) {
    const { preprocessing, recipe, shape } = await visionFactsIn(join(folder, imageModel), family, read);
    const fingerprint = fingerprintOf({
      weights: weights.sort(),
      precision: origin.precision,
      preprocessing,
      recipe,
    });
    const { width: dimension } = shape;
    return { ...common, kind: 'vision', fingerprint, dimension, logitScale: 100, preprocessing, recipe };
  }
  if (!read('tokenizer.json'))
    throw new ModelError(`${origin.source} has no tokenizer.json`, { code: 'encoder/no-configuration' });
  const facts: Facts = isWeights(imageModel)
    ? await weightsFacts(join(folder, imageModel), read)
    : readConfiguration(read);
  const { preprocessing, text, logitScale, dimension = 0, recipe } = facts;
  const fingerprint = fingerprintOf({
    weights: weights.sort(),
    precision: origin.precision,
    preprocessing,
    tokenizer: tokenizerMeaning(read('tokenizer.json') ?? {}),
    text,
    recipe,
  });
  return {
    ...common,
    kind: 'dual',
    fingerprint,
    dimension,
    logitScale,
    preprocessing,
    text,
    ...(recipe ? { recipe } : {}),
    textModel,
  };
}

async function visionFactsIn(
  path: string,
  family: VisionFamily,
  read: (path: string) => Json | undefined,
): Promise<VisionFacts> {
  const stored = await openWeights(path);
  try {
    return visionFacts(stored, family, read);
  } finally {
    await stored.close();
  }
}

/** Throws `ModelError` for a file of which only the pointer in Git LFS is there. */
async function refusePointers(folder: string, files: readonly RecordedFile[]): Promise<void> {
  for (const { path } of files.filter(({ bytes }) => bytes <= LARGEST_POINTER)) {
    const file = join(folder, path);
    if (isLfsPointer(await readRegularText(file, ENCODER_FILE))) throw lfsPointer(file);
  }
}

type Facts = DualConfiguration & Pick<EncoderRecord, 'recipe'>;

/** Facts from CLIP's weights and their configuration files. */
async function weightsFacts(path: string, read: (path: string) => Json | undefined): Promise<Facts> {
  const checkpoint = await openCheckpoint(path);
  try {
    const { shape, ...facts } = await clipFacts(checkpoint, read);
    return { ...facts, text: clipTextRule(checkpoint, shape, read), dimension: shape.dimension };
  } finally {
    await checkpoint.close();
  }
}

/**
 * The record with the dimension that the towers return. Runs each tower once. Throws `ModelError` if a tower cannot be run or their
 * dimensions differ.
 */
export async function measured(
  record: EncoderRecord,
  folder: string,
  engine: Engine,
  work: Abortable = {},
): Promise<EncoderRecord> {
  const size = record.preprocessing.crop;
  const blank: Pixels = { width: size, height: size, data: new Uint8Array(size * size * 3) };
  const encoder = encoderOf(record, folder, engine);
  try {
    const image = await waitFor(encoder.embedImages([blank], work), work.signal);
    const dimension = image.cols;
    checkEmbeddings(image, 1, { ...record, dimension }, 'picture');
    const known = checkedEncoder(encoderOf({ ...record, dimension }, folder, engine));
    await known.embedTexts?.(['a'], work).finally(() => known.close());
    return { ...record, dimension };
  } finally {
    await encoder.close();
  }
}

/** Files of a folder and of the inner folders that can have models, as paths with `/`. */
async function pathsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  const inner = MODEL_FOLDERS.map(async (place) => {
    const there = (await readdir(join(folder, place)).catch(unlessMissing)) ?? [];
    return there.map((name) => `${place}/${name}`);
  });
  return [...names, ...(await Promise.all(inner)).flat()];
}
