import { closable } from '../closable.ts';
import { UsageError } from '../errors.ts';
import { checkedEncoder } from './checked.ts';
import type { Encoder } from './types.ts';

const known = new Map<string, Encoder>();

/**
 * Registers an encoder in this process. `fit`, saved classifiers and benchmarks find it by its id, before the built-in names. Its
 * embeddings are checked to be finite. The caller closes it. Throws `UsageError` if another encoder has the same id.
 */
export function registerEncoder(encoder: Encoder): void {
  const { id } = encoder;
  if (known.has(id) && known.get(id) !== encoder) {
    throw new UsageError(`There are two encoders "${id}"`, {
      code: 'encoder/taken',
      hint: 'Give one of them another id.',
      details: { id },
    });
  }
  known.set(id, encoder);
}

/** The registered encoder of an id. Its `close` has no effect, because only the program that registered the encoder closes it. */
export function registeredEncoder(id: string): (Encoder & AsyncDisposable) | undefined {
  const encoder = known.get(id);
  return encoder && closable({ ...checkedEncoder(encoder), close: async () => {} });
}
