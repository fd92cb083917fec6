import { posix } from 'node:path';
import { ModelError } from '../errors.ts';
import { count } from '../words.ts';
import { configurationPath } from './fields.ts';
import { PRECISIONS, type Precision, precisionsOf, type TowerPrecision } from './precision.ts';

/** The files of a folder or hub repository that form an encoder. */
export interface DualFiles {
  /** ONNX files of the two towers. Both are the same file for a combined model and for CLIP's weights (safetensors). */
  readonly imageModel: string;
  readonly textModel: string;
  /** All files to keep, including external weights and configuration. */
  readonly all: readonly string[];
}

/** Configuration files that are kept if they exist, in any place. */
const CONFIGURATION = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'preprocess_cfg.json',
  'open_clip_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** File names of CLIP's weights, in the order of preference. The last lists the files of a checkpoint in parts. */
const WEIGHTS = ['open_clip_model.safetensors', 'model.safetensors', 'model.safetensors.index.json'];

/** Whether a model file holds weights, from which this package builds the towers. */
export function isWeights(path: string): boolean {
  return WEIGHTS.includes(path) || isTorch(path);
}

/** Whether a path is a file of PyTorch in the folder itself. */
function isTorch(path: string): boolean {
  return /^[^/]+\.pt$/.test(path);
}

/** The only weights in a folder. Throws `ModelError` if several files of PyTorch could be meant. */
function weightsAmong(paths: readonly string[], where: string): string | undefined {
  const known = WEIGHTS.find((name) => paths.includes(name));
  const torch = paths.filter(isTorch);
  if (known || torch.length < 2) return known ?? torch[0];
  throw new ModelError(
    `${where} has ${count(torch.length, 'file')} of weights: ${torch.slice(0, 5).join(', ')}`,
    {
      code: 'encoder/ambiguous',
      hint: 'Leave one of them in the folder.',
      details: { where, files: torch },
    },
  );
}

const SUFFIX: Readonly<Record<Precision, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  quantized: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
};

/** Folders of an encoder, besides its own, that can have models. */
export const MODEL_FOLDERS = ['onnx', 'visual', 'textual'];

/**
 * The paths at which exporters put the models of the two towers, without precision and ending, in the order of preference: transformers.js
 * and Optimum (two models, or one with both towers), and Immich's exports of open_clip.
 */
const LAYOUTS = [
  { image: 'vision_model', text: 'text_model' },
  { image: 'model', text: 'model' },
  { image: 'onnx/vision_model', text: 'onnx/text_model' },
  { image: 'onnx/model', text: 'onnx/model' },
  { image: 'visual/model', text: 'textual/model' },
] as const;

/**
 * Finds the towers among the paths of a folder and its inner folders: ONNX files in one of the layouts, else CLIP's weights.
 * Throws `ModelError` that names the missing files and the available precisions.
 */
export function findDualFiles(paths: readonly string[], precision: TowerPrecision, where: string): DualFiles {
  const present = new Set(paths);
  const exported = exportedTowers(present, precisionsOf(precision));
  const weights = precision === 'fp32' && !exported ? weightsAmong(paths, where) : undefined;
  const found = exported ?? (weights && { imageModel: weights, textModel: weights });
  if (!found) throw noModel(present, precision, where);
  const pixels = isWeights(found.imageModel)
    ? []
    : [['preprocessor_config.json', 'processor_config.json', 'preprocess_cfg.json']];
  // Weights with Hugging Face's file name may be of a model that reads no texts.
  const texts = found.imageModel.startsWith('model.safetensors') ? [] : [['tokenizer.json']];
  for (const needed of [...pixels, ...texts]) {
    if (!needed.some((name) => configurationPath(paths, name))) {
      throw new ModelError(`${where} has no ${needed.slice(0, 2).join(' or ')}`, {
        code: 'encoder/no-configuration',
      });
    }
  }
  const models = [...new Set([found.imageModel, found.textModel])];
  const external = paths.filter((path) => models.some((model) => isExternal(path, model)));
  const configuration = CONFIGURATION.flatMap((name) => configurationPath(paths, name) ?? []);
  return { ...found, all: [...models, ...external, ...configuration] };
}

function exportedTowers(
  present: ReadonlySet<string>,
  { vision, text }: ReturnType<typeof precisionsOf>,
): Pick<DualFiles, 'imageModel' | 'textModel'> | undefined {
  return LAYOUTS.map((layout) => ({
    imageModel: `${layout.image}${SUFFIX[vision]}.onnx`,
    textModel: `${layout.text}${SUFFIX[text]}.onnx`,
  })).find(({ imageModel, textModel }) => present.has(imageModel) && present.has(textModel));
}

/** Whether a file has weights of a model, by its name. Immich names such files by a UUID. */
function isExternal(path: string, model: string): boolean {
  if (model.endsWith('.json')) return /^model-\d+-of-\d+\.safetensors$/.test(path);
  const beside = posix.dirname(path) === posix.dirname(model) && /^(visual|textual)\/[^/.]+$/.test(path);
  return path.startsWith(`${model}_data`) || path === `${model}.data` || beside;
}

function noModel(present: ReadonlySet<string>, precision: TowerPrecision, where: string): ModelError {
  const others = PRECISIONS.filter((one) => exportedTowers(present, { vision: one, text: one }));
  const joined = precision.includes('=') || others.length === 0 ? precisionsAmong(present) : undefined;
  const nothing =
    'The folder, or onnx/ in it, needs vision_model.onnx and text_model.onnx, or model.onnx; or the folder needs the weights of a CLIP, open_clip_model.safetensors, model.safetensors or a .pt file.';
  return new ModelError(`${where} has no ${precision} image and text model in ONNX`, {
    code: 'encoder/no-model',
    hint:
      joined ??
      (others.length
        ? `It has ${others.join(', ')}; add #${others[0]} to the name of the encoder.`
        : nothing),
    details: { where, precision, others },
  });
}

/** A sentence with the precisions of each tower, in the first layout that has both towers. */
function precisionsAmong(present: ReadonlySet<string>): string | undefined {
  const of = (stem: string) => PRECISIONS.filter((one) => present.has(`${stem}${SUFFIX[one]}.onnx`));
  const both = LAYOUTS.map(({ image, text }) => [of(image), of(text)] as const).find((towers) =>
    towers.every((found) => found.length > 0),
  );
  return both && `It has vision=${both[0].join(', ')} and text=${both[1].join(', ')}.`;
}
