import { atOnce, type Pieces } from '../abort.ts';
import { toHalf } from '../math/half.ts';
import { inverseLengths, toInt8InPieces } from '../math/int8.ts';
import type { Matrix } from '../math/matrix.ts';
import { converted } from '../math/pieces.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { summaryTensors } from '../methods/summary-file.ts';
import { withPages } from '../store/content-hash.ts';
import { encodeSafetensors } from '../store/safetensors.ts';
import { exampleTensors } from './example-list.ts';
import type { ClassifierData } from './types.ts';

/**
 * A classifier is one safetensors file. Tensors: `text.features` F16 [p, d] and `text.class` I32 [p]; `support.features` F16 [r, d], or
 * I8 [r, d] with `support.steps` F32 [d] and `support.scales` F32 [r]; `support.example` and `support.view` I32 [r], `support.labels`
 * and `support.groups` I32 [n]; `examples.ids` U8 with `examples.ids.offsets` I32 [n + 1], and `examples.sha256` U8 [n, 32]; `state.*`;
 * `summary.sums.*` F64 and `summary.basis.*` F32; `thumbnails` U8 with `thumbnails.offsets` I32 [n + 1]; `pages.sha256` U8 [pages, 32]. Everything else is one JSON text in
 * the metadata, with a sha256 over all of it. docs/file-format.md describes the layout for other programs.
 */
export const FORMAT = 'tip-adapter/3';
/** The second version, whose hash is over all bytes: a file can only be verified as a whole. */
export const FORMAT_2 = 'tip-adapter/2';
/** The first version, whose ids and hashes of the examples are in the JSON text. */
export const FORMAT_1 = 'tip-adapter/1';
export const FEATURES = 'support.features';

/** The bytes of a classifier's file. */
export function classifierBytes(data: ClassifierData): Uint8Array {
  const { tensors, metadata } = atOnce(classifierContent(data));
  return encodeSafetensors(tensors, metadata);
}

const hashes = new WeakMap<ClassifierData, string>();

/** Notes the sha256 that the file of a classifier has. */
export function noteHash(data: ClassifierData, sha256: string): void {
  hashes.set(data, sha256);
}

/**
 * The sha256 (hex) over all of a classifier's content, which its file has. It distinguishes two classifiers of the same version. It is
 * computed only for a classifier that was neither read from a file nor written to one.
 */
export function classifierHash(data: ClassifierData): string {
  return hashes.get(data) ?? atOnce(classifierContent(data)).metadata.sha256!;
}

/** Tensors and metadata of a classifier's file, as interruptible work. */
export function* classifierContent(
  data: ClassifierData,
): Pieces<{ tensors: Record<string, Tensor>; metadata: Record<string, string> }> {
  const { head, support, examples, state, encoder, summary, ...rest } = data;
  const tensors: Record<string, Tensor> = {
    ...(yield* featureTensors(data)),
    'support.example': integers(support.example),
    'support.view': integers(support.view),
    'support.labels': integers(support.labels),
    'support.groups': integers(support.groups),
    ...(yield* exampleTensors(examples)),
  };
  if (head) {
    tensors['text.features'] = yield* half(head.promptFeatures);
    tensors['text.class'] = integers(head.promptClass);
  }
  const scalars: Record<string, number> = {};
  for (const [name, value] of Object.entries(state)) {
    if (typeof value === 'number') scalars[name] = value;
    else tensors[`state.${name}`] = value;
  }
  if (summary) Object.assign(tensors, summaryTensors(summary));
  const pictures = thumbnailsOf(examples);
  if (pictures) {
    const offsets = new Int32Array(pictures.length + 1);
    pictures.forEach((picture, i) => {
      offsets[i + 1] = offsets[i]! + picture.length;
    });
    const bytes = new Uint8Array(offsets.at(-1)!);
    pictures.forEach((picture, i) => {
      bytes.set(picture, offsets[i]);
    });
    tensors.thumbnails = { dtype: 'uint8', shape: [bytes.length], data: bytes };
    tensors['thumbnails.offsets'] = integers(offsets);
  }
  const described = {
    ...rest,
    encoder,
    prompts: head?.prompts,
    examples: examples.length,
    scalars,
  };
  const classifier = JSON.stringify(described);
  const whole = yield* withPages(tensors, classifier);
  noteHash(data, whole.sha256);
  return { tensors: whole.tensors, metadata: { format: FORMAT, classifier, sha256: whole.sha256 } };
}

/** The thumbnails, if all examples have one. */
function thumbnailsOf(examples: ClassifierData['examples']): Uint8Array[] | undefined {
  const pictures: Uint8Array[] = [];
  for (const { thumbnail } of examples) {
    if (!thumbnail) return undefined;
    pictures.push(thumbnail);
  }
  return pictures.length > 0 ? pictures : undefined;
}

function* featureTensors({ support: { features }, keys }: ClassifierData): Pieces<Record<string, Tensor>> {
  if (keys?.type !== 'int8') return { 'support.features': yield* half(features) };
  const int8 = yield* toInt8InPieces(features);
  return {
    'support.features': { dtype: 'int8', shape: [features.rows, features.cols], data: int8.values },
    'support.steps': floatTensor([features.cols], int8.steps),
    'support.scales': floatTensor([features.rows], inverseLengths(int8)),
  };
}

function* half({ rows, cols, data }: Matrix): Pieces<Tensor> {
  const halves = yield* converted(data, new Uint16Array(data.length), toHalf);
  return { dtype: 'float16', shape: [rows, cols], data: halves };
}

function integers(data: Int32Array): Tensor {
  return { dtype: 'int32', shape: [data.length], data };
}
