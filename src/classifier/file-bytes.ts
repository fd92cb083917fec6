import { atOnce, type Pieces } from '../abort.ts';
import { toHalf } from '../math/half.ts';
import { inverseLengths, toInt8InPieces } from '../math/int8.ts';
import type { Matrix } from '../math/matrix.ts';
import { converted } from '../math/pieces.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { summaryTensors } from '../methods/summary-file.ts';
import { withPages } from '../store/content-hash.ts';
import { encodeSafetensors } from '../store/safetensors.ts';
import { exampleTensors } from './example-tensors.ts';
import { FORMAT, notedHash, noteHash } from './file-parts.ts';
import type { ClassifierData } from './types.ts';

/** The bytes of a classifier's file. */
export function classifierBytes(data: ClassifierData): Uint8Array {
  const { tensors, metadata } = atOnce(classifierContent(data));
  return encodeSafetensors(tensors, metadata);
}

/**
 * The sha256 (hex) over all of a classifier's content, which its file has. It distinguishes two classifiers of the same version. It is
 * computed only for a classifier that was neither read from a file nor written to one.
 */
export function classifierHash(data: ClassifierData): string {
  return notedHash(data) ?? atOnce(classifierContent(data)).metadata.sha256!;
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
