import type { Encoder } from './types.ts';

/** The fields of an encoder that are known without its weights. */
type EncoderFacts = Pick<
  Encoder,
  | 'id'
  | 'fingerprint'
  | 'formerFingerprint'
  | 'dimension'
  | 'logitScale'
  | 'logitBias'
  | 'preprocessing'
  | 'defaults'
  | 'fineTuned'
  | 'revision'
  | 'licence'
  | 'source'
>;

/** These fields of an encoder or of its record. They are copied one by one, because a spread leaves out the getters of a class. */
export function factsOf(from: EncoderFacts): EncoderFacts {
  const {
    id,
    fingerprint,
    formerFingerprint,
    dimension,
    logitScale,
    logitBias,
    preprocessing,
    defaults,
    fineTuned,
    revision,
    licence,
    source,
  } = from;
  const given = {
    ...(formerFingerprint !== undefined && { formerFingerprint }),
    ...(logitBias !== undefined && { logitBias }),
    ...(fineTuned !== undefined && { fineTuned }),
  };
  return {
    id,
    fingerprint,
    ...given,
    dimension,
    logitScale,
    preprocessing,
    defaults,
    revision,
    licence,
    source,
  };
}
