import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../engine/types.ts';
import { ModelError, throwIfAborted } from '../../errors.ts';
import { toOnnx } from '../../graph/onnx.ts';
import { type Matrix, matrix } from '../../math/matrix.ts';
import { floatTensor, ofRank, type Tensor } from '../../math/tensor.ts';
import { encodeSafetensors } from '../../store/safetensors.ts';
import { folderFiles } from '../folder-files.ts';
import { fingerprintOf, type PairRecord, tokenizerMeaning } from '../record.ts';
import { type KerasModel, pooledFeature, readKerasModel } from './keras.ts';
import { BUILTIN_ID, MINILM, RESNET } from './packages.ts';
import { openSentences, SENTENCE_RULE } from './sentences.ts';
import { fitTextMap, mapTexts, RIDGE, SHARPNESS, TEXT_MAP_FILE } from './text-map.ts';

const KERAS = 'package/ResNet50/';
const LABELS = 'package/assets/labels.json';
const MINILM_FOLDER = 'package/models/Xenova/all-MiniLM-L6-v2/';
const MINILM_MODEL = `${MINILM_FOLDER}onnx/model_quantized.onnx`;

export const resnetMembers = (path: string) => path.startsWith(KERAS) || path === LABELS;
export const minilmMembers = (path: string) => path.startsWith(MINILM_FOLDER);

/** Files of a package by path. */
export type Members = ReadonlyMap<string, Uint8Array>;

/** The parts of the record that do not depend on files. */
const FACTS = {
  format: 1,
  id: BUILTIN_ID,
  kind: 'resnet50-minilm',
  source: `npm:${RESNET.package}@${RESNET.version} and npm:${MINILM.package}@${MINILM.version}`,
  revision: `${RESNET.version}+${MINILM.version}`,
  licence: 'MIT and Apache-2.0',
  precision: 'fp32',
  dimension: 2048,
  // Least mean NLL of zero-shot over training photos of Caltech-101, EuroSAT, DTD and foods: 10, 12, 15, 20 give 2.50, 2.49,
  // 2.51, 2.64.
  logitScale: 12,
  preprocessing: {
    resize: 'shortest',
    resizeTo: 224,
    crop: 224,
    filter: 'bicubic',
    channels: 'bgr',
    layout: 'nchw',
    scale: 1,
    mean: [103.939, 116.779, 123.68],
    std: [1, 1, 1],
  },
  text: SENTENCE_RULE,
  // Used without tuning: best accuracy at one shot on the same training photos (52.5%; 50.0% at beta 5), NLL within .06 of the best.
  // The text tower is weak, so the cache needs a larger weight.
  defaults: { alpha: 30, beta: 2, maxBeta: 60, template: '{}' },
  imageModel: 'image.onnx',
  textModel: 'sentences.onnx',
} as const satisfies Omit<PairRecord, 'files' | 'fingerprint'>;

/** ResNet50's classification layer. The text map is fitted to it, and a test of the conversion uses it. */
export const HEAD_FILE = 'head.safetensors';

const FILES = [
  FACTS.imageModel,
  FACTS.textModel,
  TEXT_MAP_FILE,
  HEAD_FILE,
  'tokenizer.json',
  'tokenizer_config.json',
] as const;

/**
 * Converts the two packages into an encoder's folder: ResNet50 as one graph with folded batch normalisation, MiniLM and its tokenizer
 * unchanged, and the map between their spaces. Returns the record and the paths of the written files.
 */
export async function buildBuiltin(
  resnet: Members,
  minilm: Members,
  folder: string,
  engine: Engine,
  signal?: AbortSignal,
): Promise<Omit<PairRecord, 'files'> & { paths: readonly string[] }> {
  const keras = readKerasModel(member(resnet, `${KERAS}model.json`), (path) => member(resnet, KERAS + path));
  await writeFile(join(folder, FACTS.imageModel), toOnnx({ feature: pooledFeature(keras) }));
  throwIfAborted(signal);

  const tokenizer = member(minilm, `${MINILM_FOLDER}tokenizer.json`);
  await writeFile(join(folder, 'tokenizer.json'), tokenizer);
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    member(minilm, `${MINILM_FOLDER}tokenizer_config.json`),
  );
  await writeFile(join(folder, FACTS.textModel), member(minilm, MINILM_MODEL));

  const sentences = openSentences(folderFiles(folder), FACTS.textModel, engine);
  const anchors = await sentences.embed(labels(member(resnet, LABELS)), signal);
  await sentences.close();
  const map = await fitTextMap(anchors, classifierVectors(keras), engine, signal);
  await writeFile(join(folder, HEAD_FILE), encodeSafetensors(classifierLayer(keras)));
  await writeFile(join(folder, TEXT_MAP_FILE), toOnnx({ rows: mapTexts(map) }));

  const { preprocessing, precision, text } = FACTS;
  const fingerprint = fingerprintOf({
    weights: [RESNET.integrity, MINILM.integrity],
    precision,
    preprocessing,
    tokenizer: tokenizerMeaning(JSON.parse(Buffer.from(tokenizer).toString('utf8'))),
    text,
    recipe: { feature: 'pooled', map: 'kernel ridge', sharpness: SHARPNESS, ridge: RIDGE },
  });
  return { ...FACTS, fingerprint, paths: FILES };
}

/** The classification layer, which follows the pooled feature. Its columns are the classes' weight vectors. */
const HEAD_LAYER = 'fc1000';

function classifierLayer(keras: KerasModel): Record<string, Tensor> {
  const tensor = (name: string): Tensor => {
    const { shape, data } = keras.weight(HEAD_LAYER, name);
    return floatTensor(shape, data);
  };
  return { kernel: tensor('kernel'), bias: tensor('bias') };
}

/** One row for each class, [1000, 2048]. */
function classifierVectors(keras: KerasModel): Matrix {
  const { shape, data } = keras.weight(HEAD_LAYER, 'kernel');
  const [features, classes] = ofRank(shape, 2);
  const out = matrix(classes, features);
  for (let j = 0; j < features; j++) {
    for (let c = 0; c < classes; c++) out.data[c * features + j] = data[j * classes + c]!;
  }
  return out;
}

/** `{"0": "tench", "1": "great_white_shark", …}` as a list of names. */
function labels(json: Uint8Array): string[] {
  const named = JSON.parse(new TextDecoder().decode(json)) as Record<string, string>;
  return Object.keys(named).map((_, i) => named[i]!.replaceAll('_', ' '));
}

function member(members: Members, path: string): Uint8Array {
  const found = members.get(path);
  if (!found) {
    throw new ModelError(`The package has no file ${path}`, { code: 'encoder/member', details: { path } });
  }
  return found;
}
