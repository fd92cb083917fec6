import type { Engine, PortInfo, Session } from '../engine/types.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import type { Pixels } from '../image/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import type { Projection } from '../methods/projection.ts';
import type { TextTower } from '../methods/text-tower.ts';
import { count } from '../words.ts';
import { factsOf } from './encoder-facts.ts';
import { type Precision, precisionsOf } from './precision.ts';
import type { EncoderRecord, PairRecord } from './record.ts';
import type { TextTokenizer } from './tokenizer.ts';
import {
  asMatrix,
  batches,
  type EncoderFiles,
  fixedBatch,
  IMAGE_BATCH,
  IMAGE_OUTPUTS,
  imageSide,
  type Lazy,
  type LazySession,
  lazySession,
  lazyTokenizer,
  lengthOfTexts,
  otherRows,
  outputNamed,
  pixelPort,
  pixelTensor,
  textFeeds,
  tokenizerPlace,
} from './tower.ts';
import type { ReadingEncoder } from './types.ts';

/** Names that exporters give the embedding of a text. */
const TEXT_OUTPUTS = [
  'text_embeds',
  'text_embeddings',
  'text_embedding',
  'sentence_embedding',
  'pooler_output',
];

const TEXT_BATCH = 32;

/** Sessions of towers that are not ONNX files, with their own tokenizer. */
export interface BuiltTowers {
  readonly image: LazySession;
  readonly text: LazySession;
  readonly tokenizer: Lazy<TextTokenizer>;
  textTower(): Promise<TextTower>;
  projection?(): Promise<Projection>;
}

/**
 * The encoder of two ONNX models, of one model with both towers, or of towers that were built from weights (`built`). Each tower is
 * loaded at its first use.
 */
export function dualEncoder(
  record: PairRecord,
  files: EncoderFiles,
  engine: Engine,
  built?: BuiltTowers,
): ReadingEncoder {
  const { preprocessing, text } = record;
  const size = preprocessing.crop;
  const combined = !built && record.imageModel === record.textModel;
  const image = built?.image ?? lazySession(engine, files, record.imageModel);
  const words = built?.text ?? (combined ? image : lazySession(engine, files, record.textModel));
  const tokenizer = built?.tokenizer ?? lazyTokenizer(files, text, tokenizerPlace(record));
  const precisions = precisionsOf(record.precision);
  const blank: Pixels = { width: size, height: size, data: new Uint8Array(3 * size * size) };

  /** Feeds of texts, with a black picture if the model has both towers. */
  function wordFeeds(inputs: readonly PortInfo[], batch: readonly number[][]): Record<string, Tensor> {
    const port = pixelPort(inputs);
    const picture = port ? { [port.name]: pixelTensor(port, [blank], preprocessing) } : {};
    return { ...textFeeds(inputs, batch, text), ...picture };
  }

  return {
    ...factsOf(record),
    ...imageSide(record, image, {
      outputs: IMAGE_OUTPUTS,
      batch: (session) => batchSize(session, precisions.vision, IMAGE_BATCH),
      // A model with both towers gets an empty text.
      others: async (inputs) => textFeeds(inputs, [(await tokenizer.get()).encode('')], text),
    }),
    embedTexts: async (texts, { signal } = {}) => {
      const { encode } = await tokenizer.get();
      const rows = texts.map(encode);
      const session = texts.length > 0 ? await words.get() : undefined;
      const masked = session?.inputs.some(({ name }) => name === 'attention_mask');
      const most = session ? batchSize(session, precisions.text, TEXT_BATCH) : 1;
      let out: Matrix | undefined;
      for (const batch of textBatches(rows, most, text.padding === 'fixed' || masked)) {
        throwIfAborted(signal);
        const { inputs, outputs, run } = session as Session;
        const feeds = wordFeeds(
          inputs,
          batch.map((i) => rows[i]!),
        );
        const output = outputNamed(outputs, TEXT_OUTPUTS, record.textModel);
        const part = asMatrix((await run(feeds, { outputs: [output], signal }))[output]!);
        if (part.cols !== record.dimension) throw otherDimension(record, part.cols);
        if (part.rows !== batch.length) throw otherRows(record, part.rows, batch.length);
        out ??= matrix(texts.length, part.cols);
        batch.forEach((i, k) => {
          out?.data.set(part.data.subarray(k * part.cols, (k + 1) * part.cols), i * part.cols);
        });
      }
      return out ?? matrix(0, record.dimension);
    },
    textLength: (texts) => lengthOfTexts(tokenizer, text, texts),
    ...(built && { textTower: built.textTower }),
    ...(built?.projection && { projection: built.projection }),
    close: async () => {
      await image.close();
      if (!combined) await words.close();
    },
  };
}

/**
 * Number of inputs that run together. Dynamic quantisation takes its range from the whole batch, so quantised models run one input at a
 * time. Throws `ModelError` for a model with a fixed batch of several inputs.
 */
function batchSize({ inputs }: Session, precision: Precision, most: number): number {
  const fixed = fixedBatch(inputs);
  if (fixed === undefined) return precision === 'fp32' || precision === 'fp16' ? most : 1;
  if (fixed === 1) return 1;
  throw new ModelError(`The model reads exactly ${count(fixed, 'input')} at a time, which is not supported`, {
    code: 'encoder/inputs',
    hint: 'Export the model for batches of any size, or of one input.',
    details: { batch: fixed },
  });
}

function otherDimension({ id, dimension }: EncoderRecord, texts: number): ModelError {
  return new ModelError(
    `The towers of ${id} do not fit: pictures have ${count(dimension, 'dimension')}, and texts have ${texts}`,
    {
      code: 'encoder/dimension',
      hint: 'Export both models with their projection into the common space.',
      details: { pictures: dimension, texts },
    },
  );
}

/** Without a mask, padding would be read as text, so only texts of equal length run together. */
function textBatches(rows: readonly (readonly number[])[], size: number, mixed = false): number[][] {
  const byLength = new Map<number, number[]>();
  rows.forEach((tokens, i) => {
    const key = mixed ? 0 : tokens.length;
    byLength.set(key, [...(byLength.get(key) ?? []), i]);
  });
  return [...byLength.values()].flatMap((group) => batches(group, size));
}
