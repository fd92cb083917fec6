import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, allEnded, endingAll, waitFor } from '../abort.ts';
import type { Engine } from '../engine/types.ts';
import { ModelError } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { writeFileAtomic } from '../store/atomic.ts';
import { isLfsPointer, LARGEST_POINTER, lfsPointer } from '../store/lfs-pointer.ts';
import { readRegularText, unlessMissing } from '../store/regular.ts';
import { checkEmbeddings, checkedEncoder } from './checked.ts';
import { clipCheckpoint, openWeights, type StoredWeights } from './clip/checkpoint.ts';
import { clipFacts, clipTextRule } from './clip/facts.ts';
import type { View } from './clip/names.ts';
import { checkReleases, isRelease } from './clip/openai-releases.ts';
import { hashOfTensors } from './clip/tensor-hash.ts';
import { ENCODER_FILE, readConfigurationFiles } from './configuration-files.ts';
import { type DualConfiguration, readConfiguration } from './dual-configuration.ts';
import { findDualFiles, isWeights, MODEL_FOLDERS } from './dual-files.ts';
import { encoderOf } from './encoder-of.ts';
import type { EncoderSource } from './encoder-source.ts';
import { externalFiles } from './external-data.ts';
import { configurationPath, type Json } from './fields.ts';
import { alreadyHashed, type Hashing, hashing, refuseChanged, rememberedHash } from './folder-hashes.ts';
import type { LocalEncoder } from './installed.ts';
import {
  type EncoderMeaning,
  type EncoderRecord,
  fingerprintOf,
  RECORD_FILE,
  type RecordedFile,
  recordText,
  tokenizerMeaning,
  tokenizerSense,
} from './record.ts';
import { CLIP_DEFAULTS } from './registry.ts';
import { lazily } from './tower.ts';
import { type VisionFamily, visionFamily } from './vision/configuration.ts';
import { type VisionFacts, visionFacts } from './vision/facts.ts';

/**
 * Versions of the hashes that are remembered by their names. A version is raised when the hash of the same files changes, because hashes of
 * the former version would still be found.
 */
const TENSORS = 'tensors 1';
const TOKENIZER = 'tokenizer 1';
const TOKENIZER_SENSE = 'tokenizer in one form 2';

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
  const record = await endingAll(signal, async (own) => {
    const hashed = await hashing(folder, [...new Set([...all, ...external])], own);
    return dualRecord(folder, hashed, origin, { signal: own });
  });
  return record.dimension > 0 ? record : measured(record, folder, engine, { signal });
}

/** Facts about a model that its files do not state. */
export type Origin = Pick<EncoderRecord, 'id' | 'source' | 'licence' | 'precision' | 'revision'>;

/** The record of a folder. Hashes of large weights that are not known are computed side by side with those of the tensors and the tokenizer. */
export async function dualRecord(
  folder: string,
  { sizes, late, of, files: hashed }: Hashing,
  origin: Origin,
  { signal }: Abortable = {},
): Promise<EncoderRecord> {
  const paths = sizes.map(({ path }) => path);
  const { imageModel, textModel } = findDualFiles(paths, origin.precision, origin.source);
  await refusePointers(folder, sizes);
  const read = await readConfigurationFiles(folder, paths);
  if (paths.some(isRelease)) checkReleases(await hashed);
  /** The hash of the tensors in the weights. */
  const hashTensors: HashTensors = async (stored, { views }) => {
    const compute = () => hashOfTensors(stored, views, signal);
    const early = late.some(isWeightPath) ? compute() : undefined;
    const [weightFiles, known] = await allEnded([Promise.all(paths.filter(isWeightPath).map(of)), early]);
    return rememberedHash(`${TENSORS} of ${weightHashes(weightFiles).join(' ')}`, async () => {
      const hash = known ?? (await compute());
      await refuseChanged(folder, weightFiles);
      return hash;
    });
  };
  const path = join(folder, imageModel);
  const family = isWeights(imageModel) ? visionFamily(read) : undefined;
  if (family) {
    const { facts, tensors } = await visionFactsIn(path, family, read, hashTensors);
    const { preprocessing, recipe, shape } = facts;
    const files = [...(await hashed)];
    const meaning = { precision: origin.precision, preprocessing, recipe };
    const prints = fingerprintsOf({ ...meaning, weights: weightHashes(files) }, { ...meaning, tensors });
    return {
      ...{ format: 1, kind: 'vision', files, ...origin, ...prints, defaults: CLIP_DEFAULTS, imageModel },
      ...{ dimension: shape.width, logitScale: 100, preprocessing, recipe },
    };
  }
  const tokenizer = read('tokenizer.json');
  if (!tokenizer)
    throw new ModelError(`${origin.source} has no tokenizer.json`, { code: 'encoder/no-configuration' });
  // Bringing a vocabulary into one form takes 0.2 s.
  const tokens = (what: string, hash: (json: Json) => string) =>
    lazily(async () => {
      const stored = await of(configurationPath(paths, 'tokenizer.json')!);
      return rememberedHash(`${what} of ${stored.sha256}`, async () => {
        await refuseChanged(folder, [stored]);
        return hash(tokenizer);
      });
    });
  const [asWritten, inOneForm] = [
    tokens(TOKENIZER, tokenizerMeaning),
    tokens(TOKENIZER_SENSE, tokenizerSense),
  ];
  const facts: Facts = isWeights(imageModel)
    ? await weightsFacts(path, read, async (...weights) => {
        const work = [hashTensors(...weights), asWritten.get(), inOneForm.get()] as const;
        return (await allEnded(work))[0];
      })
    : readConfiguration(read);
  const { preprocessing, text, logitScale, logitBias, dimension = 0, recipe, tensors } = facts;
  const files = [...(await hashed)];
  const meaning = { precision: origin.precision, preprocessing, text, recipe };
  const prints = fingerprintsOf(
    { ...meaning, weights: weightHashes(files), tokenizer: await asWritten.get() },
    tensors === undefined ? undefined : { ...meaning, tensors, tokenizer: await inOneForm.get() },
  );
  return {
    ...{
      format: 1,
      kind: 'dual',
      files,
      ...origin,
      ...prints,
      defaults: CLIP_DEFAULTS,
      imageModel,
      textModel,
    },
    ...{ dimension, logitScale, preprocessing, text },
    ...(logitBias === undefined ? {} : { logitBias }),
    ...(recipe ? { recipe } : {}),
  };
}

const isWeightPath = (path: string) => !path.endsWith('.json');

function weightHashes(files: readonly RecordedFile[]): string[] {
  return files
    .filter(({ path }) => isWeightPath(path))
    .map(({ sha256 }) => sha256)
    .sort();
}

/**
 * An installed model from weights whose record has a fingerprint by files, with that by tensors. Unchanged if this version would have given
 * the files another fingerprint.
 */
export async function renewed({ record, folder }: LocalEncoder): Promise<LocalEncoder> {
  const { fingerprint, formerFingerprint, logitBias } = await dualRecord(
    folder,
    alreadyHashed(record.files),
    record,
  );
  if (formerFingerprint !== record.fingerprint) return { record, folder };
  const own = {
    ...record,
    fingerprint,
    formerFingerprint,
    ...(logitBias === undefined ? {} : { logitBias }),
  };
  // If the folder cannot be written, the record is renewed again next time.
  await writeFileAtomic(join(folder, RECORD_FILE), recordText(own)).catch(() => {});
  return { record: own, folder };
}

/** The fingerprint by files, or for models from weights that by tensors beside the former one by files. */
function fingerprintsOf(
  byFiles: EncoderMeaning,
  byTensors?: EncoderMeaning,
): Pick<EncoderRecord, 'fingerprint' | 'formerFingerprint'> {
  const former = fingerprintOf(byFiles);
  if (!byTensors) return { fingerprint: former };
  return { fingerprint: fingerprintOf(byTensors), formerFingerprint: former };
}

type HashTensors = (
  stored: StoredWeights,
  checkpoint: { views: ReadonlyMap<string, View> },
) => Promise<string>;

async function visionFactsIn(
  path: string,
  family: VisionFamily,
  read: (path: string) => Json | undefined,
  hashTensors: HashTensors,
): Promise<{ facts: VisionFacts; tensors: string }> {
  const stored = await openWeights(path);
  try {
    const facts = visionFacts(stored, family, read);
    return { facts, tensors: await hashTensors(stored, facts.checkpoint) };
  } finally {
    await stored.close();
  }
}

/** Throws `ModelError` for a file that is only a pointer of Git LFS. */
async function refusePointers(folder: string, files: Hashing['sizes']): Promise<void> {
  for (const { path } of files.filter(({ bytes }) => bytes <= LARGEST_POINTER)) {
    const file = join(folder, path);
    if (isLfsPointer(await readRegularText(file, ENCODER_FILE))) throw lfsPointer(file);
  }
}

type Facts = DualConfiguration & Pick<EncoderRecord, 'recipe' | 'logitBias'> & { readonly tensors?: string };

/** Facts from CLIP's weights and their configuration files. */
async function weightsFacts(
  path: string,
  read: (path: string) => Json | undefined,
  hashTensors: HashTensors,
): Promise<Facts> {
  const stored = await openWeights(path);
  try {
    const checkpoint = clipCheckpoint(stored);
    const { shape, ...facts } = await clipFacts(checkpoint, read);
    const text = clipTextRule(checkpoint, shape, read);
    return {
      ...facts,
      text,
      dimension: shape.dimension,
      tensors: await hashTensors(stored, checkpoint),
    };
  } finally {
    await stored.close();
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
  const encoder = await encoderOf(record, folder, engine);
  try {
    const image = await waitFor(encoder.embedImages([blank], work), work.signal);
    const dimension = image.cols;
    checkEmbeddings(image, 1, { ...record, dimension }, 'picture');
    const known = checkedEncoder(await encoderOf({ ...record, dimension }, folder, engine));
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
