import { createHash } from 'node:crypto';
import type { Encoder } from '../encoder/types.ts';
import { ModelError } from '../errors.ts';
import { count } from '../words.ts';
import type { EncoderReference } from './types.ts';

/** Throws `ModelError`, naming both, where the encoder is not the one a classifier was fitted with. */
export function checkEncoder(
  reference: EncoderReference,
  encoder: Pick<Encoder, 'id' | 'fingerprint'>,
): void {
  if (reference.fingerprint === encoder.fingerprint) return;
  const name = (id: string, fingerprint: string) => `${id} (${fingerprint.slice(0, 12)})`;
  throw new ModelError(
    `The classifier was fitted with ${name(reference.id, reference.fingerprint)}; ` +
      `the encoder here is ${name(encoder.id, encoder.fingerprint)}`,
    {
      code: 'classifier/other-encoder',
      hint: 'Use the encoder that the classifier was fitted with, or fit it again with this one.',
      details: { expected: reference.fingerprint, actual: encoder.fingerprint },
    },
  );
}

/** What a classifier's file says of its encoder. */
export function referenceTo(encoder: Encoder): EncoderReference {
  const { id, fingerprint, source, revision, licence, dimension, logitScale, preprocessing } = encoder;
  return { id, fingerprint, source, revision, licence, dimension, logitScale, preprocessing };
}

/** The source of features that were brought along: no encoder is known to make them. */
export const FEATURES = 'features';

/** What stands for the encoder of features that were brought along; of one name and width they are taken to be of one origin. */
export function featuresReference(
  { encoder, dimension }: { encoder: string; dimension: number },
  logitScale: number,
): EncoderReference {
  return {
    id: `features of ${encoder}`,
    fingerprint: createHash('sha256').update(`features\n${encoder}\n${dimension}`).digest('hex'),
    source: FEATURES,
    licence: 'unknown',
    dimension,
    logitScale,
  };
}

/** Features for a classifier. Throws `ModelError` where they are of another encoder than its own. */
export function featuresOf<T extends { encoder: string; dimension: number }>(
  own: EncoderReference,
  dump: T,
  folder: string,
): T {
  const { id } = featuresReference(dump, own.logitScale);
  if (dump.dimension === own.dimension && (own.preprocessing || id === own.id)) return dump;
  throw new ModelError(
    `${folder} has rows of ${count(dump.dimension, 'dimension')} (${id}); the classifier was fitted to rows of ${own.dimension} (${own.id})`,
    { code: 'classifier/other-encoder', hint: 'Give features of the same encoder.' },
  );
}

export function noEncoder({ id }: EncoderReference): ModelError {
  return new ModelError(`The classifier was fitted to ${id}, for which no encoder is known`, {
    code: 'classifier/features',
    hint: 'Give it folders of features (add, eval, compare). For pictures, fit it again with --encoder and the encoder that made the features.',
    details: { id },
  });
}
