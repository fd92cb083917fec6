import { closable } from '../closable.ts';
import { UsageError } from '../errors.ts';
import { checkedEncoder } from './checked.ts';
import type { Encoder } from './types.ts';

const known = new Map<string, Encoder>();

/**
 * Makes an encoder known by its id for this process: `fit`, saved classifiers and benchmarks find it by that name before any other. Its
 * embeddings are checked to be finite. Whoever registers it closes it. Throws `UsageError` where another encoder has the id.
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

/** The registered encoder of that id. It stays open when it is closed: it is lent to whoever asks for it. */
export function registeredEncoder(id: string): (Encoder & AsyncDisposable) | undefined {
  const encoder = known.get(id);
  return encoder && closable({ ...checkedEncoder(encoder), close: async () => {} });
}
