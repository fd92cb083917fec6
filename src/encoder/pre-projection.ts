import { ModelError } from '../errors.ts';
import { PROJECTED_SCALE } from '../methods/projection.ts';
import { sha256 } from '../sha256.ts';
import { isWeights } from './dual-files.ts';
import type { LocalEncoder } from './installed.ts';

/** The end of an encoder's name whose rows of pictures have the features before the last projection. */
const SUFFIX = '+pre-projection';

/** The name of the same encoder with pre-projection features. */
export function withSuffix(name: string): string {
  return name.endsWith(SUFFIX) ? name : `${name}${SUFFIX}`;
}

/** The name of the encoder that pre-projection features are added to. Undefined for another name. */
export function withoutSuffix(name: string): string | undefined {
  return name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : undefined;
}

/**
 * The same encoder with pre-projection features beside the embeddings of pictures (`Projection` in methods/projection.ts). Throws `ModelError`
 * if it is not built from weights, or if its image tower does not end with a projection.
 */
export async function withPreProjection({ record, folder }: LocalEncoder): Promise<LocalEncoder> {
  const { id, fingerprint, dimension, logitScale } = record;
  const refuse = (why: string) =>
    new ModelError(`The encoder ${id} cannot give the features before its last projection: ${why}`, {
      code: 'encoder/projection',
      hint: 'Use a CLIP that is built from weights: clip-rn50, clip-vit-b32-weights, clip-vit-l14, or a folder with the weights of one.',
      details: { encoder: id },
    });
  if (record.kind !== 'dual' || !isWeights(record.imageModel)) throw refuse('it is not a CLIP from weights');
  const { withClip } = await import('./clip/sessions.ts');
  const { featureCount } = await import('./clip/projection.ts');
  const features = await withClip(record, folder, async (_, { shape }) => featureCount(shape));
  if (features === undefined) throw refuse('its image tower ends without a projection');
  return {
    folder,
    record: {
      ...record,
      id: withSuffix(id),
      fingerprint: sha256(`${fingerprint}${SUFFIX}`),
      formerFingerprint: undefined,
      dimension: dimension + features,
      logitScale: logitScale * PROJECTED_SCALE,
      features,
    },
  };
}
