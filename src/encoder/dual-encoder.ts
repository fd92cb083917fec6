import { join } from 'node:path';
import type { Engine, PortInfo, Session } from '../engine/types.ts';
import { ModelError, throwIfAborted } from '../errors.ts';
import { normalize } from '../image/preprocess.ts';
import type { Pixels } from '../image/types.ts';
import { type Matrix, matrix } from '../math/matrix.ts';
import type { Tensor } from '../math/tensor.ts';
import { count, number } from '../words.ts';
import { ahead } from './ahead.ts';
import { clipSessions } from './clip/sessions.ts';
import { isWeights } from './dual-files.ts';
import type { EncoderRecord } from './record.ts';
import {
  asMatrix,
  batches,
  checkSizes,
  factsOf,
  floatInput,
  lazySession,
  lazyTokenizer,
  lengthOfTexts,
  outputNamed,
  stack,
  textFeeds,
} from './tower.ts';
import type { Encoder } from './types.ts';

/** Names that exporters give the embedding of a picture, and of a text. */
export const IMAGE_OUTPUTS = ['image_embeds', 'image_embeddings', 'pooler_output'];
const TEXT_OUTPUTS = ['text_embeds', 'text_embeddings', 'sentence_embedding', 'pooler_output'];

const IMAGE_BATCH = 4;
const TEXT_BATCH = 32;

/** The encoder of two ONNX models, of one model with both towers, or of CLIP's weights. Each tower is loaded at its first use. */
export function dualEncoder(record: EncoderRecord, folder: string, engine: Engine): Encoder {
  const { preprocessing, text } = record;
  const size = preprocessing.crop;
  const plainTokenizer = lazyTokenizer(folder, text);
  const weights = isWeights(record.imageModel)
    ? clipSessions(record, folder, engine, plainTokenizer)
    : undefined;
  const combined = !weights && record.imageModel === record.textModel;
  const image = weights?.image ?? lazySession(engine, join(folder, record.imageModel));
  const words = weights?.text ?? (combined ? image : lazySession(engine, join(folder, record.textModel)));
  const tokenizer = weights?.tokenizer ?? plainTokenizer;
  // Dynamic quantisation takes its range from the whole batch, so quantised models run one picture at a time.
  const together = ['fp32', 'fp16'].includes(record.precision);

  const blankImages = (inputs: readonly PortInfo[]): Record<string, Tensor> =>
    pixelFeeds(inputs, new Float32Array(3 * size * size), 1);
  const blankTexts = async (inputs: readonly PortInfo[]): Promise<Record<string, Tensor>> =>
    textFeeds(inputs, [(await tokenizer.get()).encode('')], text);

  function pixelFeeds(inputs: readonly PortInfo[], data: Float32Array, n: number): Record<string, Tensor> {
    const port = inputs.find(({ name }) => name === 'pixel_values') ?? inputs[0]!;
    return { [port.name]: floatInput(port, [n, 3, size, size], data) };
  }

  async function run(
    session: Session,
    feeds: Record<string, Tensor>,
    names: readonly string[],
    model: string,
    signal?: AbortSignal,
  ): Promise<Matrix> {
    const output = outputNamed(session.outputs, names, model);
    return asMatrix((await session.run(feeds, { outputs: [output], signal }))[output]!);
  }

  return {
    ...factsOf(record),
    prepare: () => void image.get().catch(() => {}),
    embedImages: async (pixels, { signal } = {}) => {
      checkSizes(pixels, size);
      const encode = async (batch: Pixels[]): Promise<Matrix> => {
        throwIfAborted(signal);
        const session = await image.get();
        const feeds = pixelFeeds(session.inputs, normalize(batch, preprocessing), batch.length);
        if (combined) Object.assign(feeds, await blankTexts(session.inputs));
        const part = await run(session, feeds, IMAGE_OUTPUTS, record.imageModel, signal);
        if (part.rows !== batch.length) throw otherDimension(record, part, batch.length);
        return part;
      };
      const parts: Matrix[] = [];
      for await (const part of ahead(batches(pixels, together ? IMAGE_BATCH : 1), encode, 1))
        parts.push(part);
      return stack(parts, record.dimension);
    },
    embedTexts: async (texts, { signal } = {}) => {
      const { encode } = await tokenizer.get();
      const rows = texts.map(encode);
      const session = texts.length > 0 ? await words.get() : undefined;
      const masked = session?.inputs.some(({ name }) => name === 'attention_mask');
      let out: Matrix | undefined;
      for (const batch of textBatches(rows, together ? TEXT_BATCH : 1, text.padding === 'fixed' || masked)) {
        throwIfAborted(signal);
        const { inputs } = session as Session;
        const feeds = textFeeds(
          inputs,
          batch.map((i) => rows[i]!),
          text,
        );
        if (combined) Object.assign(feeds, blankImages(inputs));
        const part = await run(session as Session, feeds, TEXT_OUTPUTS, record.textModel, signal);
        if (part.cols !== record.dimension || part.rows !== batch.length)
          throw otherDimension(record, part, batch.length);
        out ??= matrix(texts.length, part.cols);
        batch.forEach((i, k) => {
          out?.data.set(part.data.subarray(k * part.cols, (k + 1) * part.cols), i * part.cols);
        });
      }
      return out ?? matrix(0, record.dimension);
    },
    textLength: (texts) => lengthOfTexts(tokenizer, text, texts),
    ...(weights ? { textTower: weights.textTower } : {}),
    close: async () => {
      await image.close();
      if (!combined) await words.close();
    },
  };
}

function otherDimension(
  { id, dimension }: EncoderRecord,
  { rows, cols }: Matrix,
  inputs: number,
): ModelError {
  return new ModelError(
    rows === inputs
      ? `The towers of ${id} do not fit: pictures have ${count(dimension, 'dimension')}, and texts have ${cols}`
      : `A tower of ${id} gives ${count(rows, 'row')} instead of ${number(inputs)}`,
    {
      code: 'encoder/dimension',
      hint: 'Export both models with their projection into the common space and for batches of any size.',
      details: { pictures: dimension, texts: cols, rows, count: inputs },
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
