import { hasFingerprint } from '../encoder/fingerprints.ts';
import type { Encoder } from '../encoder/types.ts';
import { ModelError } from '../errors.ts';
import { sha256 } from '../sha256.ts';
import { count } from '../words.ts';
import type { EncoderReference } from './types.ts';

/** Throws `ModelError` that names both encoders if the encoder is not the one that a classifier was fitted with. */
export function checkEncoder(
  reference: EncoderReference,
  encoder: Pick<Encoder, 'id' | 'fingerprint' | 'formerFingerprint'>,
): void {
  if (hasFingerprint(encoder, reference.fingerprint)) return;
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

/** The reference to an encoder in a classifier's file. */
export function referenceTo(encoder: Encoder): EncoderReference {
  const { id, fingerprint, source, revision, licence, dimension, logitScale, logitBias, preprocessing } =
    encoder;
  const given = {
    ...(logitBias !== undefined && { logitBias }),
    ...(encoder.fineTuned && { fineTunedOn: encoder.fineTuned.pictures.length }),
  };
  return { id, fingerprint, source, revision, licence, dimension, logitScale, ...given, preprocessing };
}

/** The `source` in a reference for given features, whose encoder is not known. */
export const FEATURES = 'features';

/** The reference for given features. Features of one name and dimension are taken to be of one encoder. */
export function featuresReference(
  { encoder, dimension }: { encoder: string; dimension: number },
  logitScale: number,
): EncoderReference {
  return {
    id: `features of ${encoder}`,
    fingerprint: sha256(`features\n${encoder}\n${dimension}`),
    source: FEATURES,
    licence: 'unknown',
    dimension,
    logitScale,
  };
}

/** Checks features against a classifier and returns them. Throws `ModelError` if they are of another encoder. */
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
