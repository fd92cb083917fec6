import { type Abortable, waitFor } from '../abort.ts';
import { closable } from '../closable.ts';
import { signalOf } from '../deprecation.ts';
import { closedError, ModelError, UsageError } from '../errors.ts';
import { LARGEST_HALF } from '../math/half.ts';
import type { Matrix } from '../math/matrix.ts';
import { factsOf } from './encoder-facts.ts';
import type { Encoder } from './types.ts';

/** Required fields of an encoder, with their types. */
const PARTS = [
  ['id', 'string'],
  ['fingerprint', 'string'],
  ['dimension', 'number'],
  ['logitScale', 'number'],
  ['preprocessing', 'object'],
  ['defaults', 'object'],
  ['embedImages', 'function'],
  ['close', 'function'],
] as const;

/**
 * Wraps an encoder and checks its embeddings. A damaged encoder, or one that overflows in half precision, returns NaN or infinity, and
 * every answer would be silently wrong. Values beyond half precision are also refused, because classifiers keep features in it. A call
 * ends as soon as its signal fires, even while a model is loading or if the encoder ignores signals. Throws `ModelError` with the
 * position of the picture or text, and `UsageError` `encoder/closed` after `close`.
 */
export function checkedEncoder(encoder: Encoder): Encoder & AsyncDisposable {
  const missing = PARTS.find(([name, type]) => typeof encoder?.[name] !== type);
  if (missing) {
    throw new UsageError(`An encoder needs ${missing[0]}, a ${missing[1]}`, {
      code: 'encoder/parts',
      hint: 'Give the name of an encoder, or an object of the type Encoder.',
    });
  }
  const facts = factsOf(encoder);
  const { id, dimension } = facts;
  const { joined, prepare, embedTexts, embedsTextsAlone, textLength, textTower, projection } = encoder;
  let closed = false;
  const open = (): Encoder => {
    if (closed) throw closedError('encoder');
    return encoder;
  };
  return closable<Encoder>({
    ...facts,
    embedImages: async (pixels, work = {}) => {
      const signal = signalOf(work);
      const embeddings = await waitFor(open().embedImages(pixels, { signal }), signal);
      return checkEmbeddings(embeddings, pixels.length, { id, dimension }, 'picture');
    },
    ...(embedTexts && {
      embedTexts: async (texts: string[], work: Abortable = {}) => {
        const signal = signalOf(work);
        const embeddings = await waitFor(embedTexts.call(open(), texts, { signal }), signal);
        return checkEmbeddings(embeddings, texts.length, { id, dimension }, 'text');
      },
    }),
    ...(embedsTextsAlone && { embedsTextsAlone }),
    ...(joined && { joined }),
    ...(prepare && { prepare: () => prepare.call(open()) }),
    ...(textLength && { textLength: async (...given) => textLength.apply(open(), given) }),
    ...(textTower && { textTower: async () => textTower.call(open()) }),
    ...(projection && { projection: async () => projection.call(open()) }),
    close: async () => {
      if (closed) return;
      closed = true;
      await encoder.close();
    },
  });
}

/** Throws `ModelError` unless the embeddings are [count, dimension] and finite in half precision. Returns them. */
export function checkEmbeddings(
  embeddings: Matrix,
  count: number,
  { id, dimension }: { id: string; dimension: number },
  what: 'picture' | 'text',
): Matrix {
  const { rows, cols, data } = embeddings;
  const refuse = (message: string, code: string, details: object): never => {
    throw new ModelError(message, {
      code: `encoder/${code}`,
      hint: 'The encoder is damaged, or differs from its configuration. Get it again, or use another one.',
      details: { encoder: id, ...details },
    });
  };
  if (rows !== count || cols !== dimension || data.length !== rows * cols) {
    const [got, wanted] = [`${rows} x ${cols} numbers`, `${count} x ${dimension}`];
    refuse(`The encoder ${id} gives ${got} instead of ${wanted}`, 'dimension', {
      rows,
      cols,
      count,
      dimension,
    });
  }
  const at = data.findIndex((x) => !(Math.abs(x) <= LARGEST_HALF));
  if (at >= 0) {
    const place = `${what} ${Math.floor(at / cols) + 1} of ${count}`;
    refuse(`The encoder ${id} gives ${data[at]} for ${place}`, 'not-finite', { row: Math.floor(at / cols) });
  }
  return embeddings;
}

/** Whether a cached value is a feature of this encoder. */
export function isFeature(values: Float32Array | undefined, dimension: number): values is Float32Array {
  return values?.length === dimension && values.every((x) => Math.abs(x) <= LARGEST_HALF);
}
