import type { Encoder } from '../encoder/types.ts';
import { methodById, tipAdapter, visualOnly } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';

/** Tip-Adapter's constants. */
export interface CacheConstants {
  readonly alpha: number;
  readonly beta: number;
}

/** The method that answers at once: Tip-Adapter, or its cache alone if the encoder reads no class names. */
export function instantMethod(encoder: Pick<Encoder, 'embedTexts'>): Method {
  return methodById((encoder.embedTexts ? tipAdapter : visualOnly).id);
}

/** Those of Tip-Adapter's constants that a method has. */
export function constantsOf(
  { options }: Pick<Method, 'options'>,
  { alpha, beta }: CacheConstants,
): Partial<CacheConstants> {
  return { ...('alpha' in options ? { alpha } : {}), ...('beta' in options ? { beta } : {}) };
}
