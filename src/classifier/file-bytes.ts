import { toHalf } from '../math/half.ts';
import { inverseLengths, toInt8 } from '../math/int8.ts';
import type { Matrix } from '../math/matrix.ts';
import { floatTensor, type Tensor } from '../math/tensor.ts';
import { encodeSafetensors } from '../store/safetensors.ts';
import { contentHash } from './content-hash.ts';
import type { ClassifierData } from './types.ts';

/**
 * A classifier is one safetensors file. Tensors: `text.features` F16 [p, d] and `text.class` I32 [p]; `support.features` F16 [r, d], or
 * I8 [r, d] with `support.steps` F32 [d] and `support.scales` F32 [r]; `support.example` and `support.view` I32 [r], `support.labels`
 * and `support.groups` I32 [n]; `state.*`; `thumbnails` U8 with `thumbnails.offsets` I32 [n + 1]. Everything else is one JSON text in
 * the metadata, beside a sha256 over all of it. The layout is described for other programs in docs/file-format.md.
 */
export const FORMAT = 'tip-adapter/1';
export const FEATURES = 'support.features';

/** The bytes of a classifier's file. */
export function classifierBytes(data: ClassifierData): Uint8Array {
  const { head, support, examples, state, encoder, ...rest } = data;
  const tensors: Record<string, Tensor> = {
    ...featureTensors(data),
    'support.example': integers(support.example),
    'support.view': integers(support.view),
    'support.labels': integers(support.labels),
    'support.groups': integers(support.groups),
  };
  if (head) {
    tensors['text.features'] = half(head.promptFeatures);
    tensors['text.class'] = integers(head.promptClass);
  }
  const scalars: Record<string, number> = {};
  for (const [name, value] of Object.entries(state)) {
    if (typeof value === 'number') scalars[name] = value;
    else tensors[`state.${name}`] = value;
  }
  if (examples.length > 0 && examples.every((example) => example.thumbnail)) {
    const pictures = examples.map((example) => example.thumbnail as Uint8Array);
    const offsets = new Int32Array(pictures.length + 1);
    pictures.forEach((picture, i) => {
      offsets[i + 1] = offsets[i] + picture.length;
    });
    const bytes = Buffer.concat(pictures);
    tensors.thumbnails = { dtype: 'uint8', shape: [bytes.length], data: new Uint8Array(bytes) };
    tensors['thumbnails.offsets'] = integers(offsets);
  }
  const metadata = {
    ...rest,
    encoder,
    prompts: head?.prompts,
    examples: examples.map(({ id, sha256 }) => ({ id, sha256 })),
    scalars,
  };
  const classifier = JSON.stringify(metadata);
  return encodeSafetensors(tensors, { format: FORMAT, classifier, sha256: contentHash(tensors, classifier) });
}

function featureTensors({ support: { features }, keys }: ClassifierData): Record<string, Tensor> {
  if (keys?.type !== 'int8') return { 'support.features': half(features) };
  const int8 = toInt8(features);
  return {
    'support.features': { dtype: 'int8', shape: [features.rows, features.cols], data: int8.values },
    'support.steps': floatTensor([features.cols], int8.steps),
    'support.scales': floatTensor([features.rows], inverseLengths(int8)),
  };
}

function half({ rows, cols, data }: Matrix): Tensor {
  return { dtype: 'float16', shape: [rows, cols], data: toHalf(data) };
}

function integers(data: Int32Array): Tensor {
  return { dtype: 'int32', shape: [data.length], data };
}
