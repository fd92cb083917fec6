import { ModelError, UsageError } from '../errors.ts';
import { featureCount } from './clip/projection.ts';
import { takesLearntWords, withClip } from './clip/sessions.ts';
import { isWeights } from './dual-files.ts';
import type { LocalEncoder } from './installed.ts';

/** A part of a CLIP from weights that some methods learn from: the open text tower, or the projection of the image tower. */
export type ClipPart = 'text-tower' | 'projection';

/** Whether an encoder has these parts, by its record and the shapes of its weights. */
export async function hasParts(
  { record, folder }: LocalEncoder,
  parts: readonly ClipPart[],
): Promise<boolean> {
  if (record.kind !== 'dual') return false;
  if (parts.length === 0) return true;
  if (!isWeights(record.imageModel)) return false;
  return withClip(record, folder, async (_, { shape }) =>
    parts.every((part) =>
      part === 'projection' ? featureCount(shape) !== undefined : takesLearntWords(shape.text),
    ),
  );
}

const HINT =
  'Use a CLIP that is built from weights, such as clip-rn50, clip-vit-b32-weights, clip-vit-l14, or a folder with the weights of one';

/** The error of a choice by `auto` for a method that learns from parts which no encoder on this machine has. */
export function noneHasParts(parts: readonly ClipPart[]): UsageError {
  const what = parts.map((part) =>
    part === 'projection' ? 'the projection of the image tower' : 'an open text tower',
  );
  return new UsageError(
    `The method needs ${what.join(' and ')}, which no encoder on this machine has and auto does not download`,
    {
      code: 'encoder/from-weights',
      hint: `${HINT}: --encoder clip-rn50 (in a program, the option encoder).`,
      details: { parts },
    },
  );
}

/** The error of an encoder that is not built from weights, before it is downloaded for a method or name that needs such. */
export function notFromWeights(id: string): ModelError {
  return new ModelError(`The encoder ${id} is not built from weights, so it is not downloaded`, {
    code: 'encoder/from-weights',
    hint: `${HINT}.`,
    details: { encoder: id },
  });
}
