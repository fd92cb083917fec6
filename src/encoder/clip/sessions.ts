import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Engine } from '../../engine/types.ts';
import { ModelError } from '../../errors.ts';
import { type Expr, input } from '../../graph/expression.ts';
import { matrix } from '../../math/matrix.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { Projection } from '../../methods/projection.ts';
import type { TextTower } from '../../methods/text-tower.ts';
import { readConfigurationFiles } from '../configuration-files.ts';
import type { EncoderRecord } from '../record.ts';
import type { TextTokenizer } from '../tokenizer.ts';
import { type Lazy, type LazySession, lazily, sessionOf } from '../tower.ts';
import { openCheckpoint } from './checkpoint.ts';
import { type ClipFacts, clipFacts } from './facts.ts';
import { projectionOf } from './projection.ts';
import { encodeEmbeddings, type TextShape } from './text-transformer.ts';
import { asInputs, besideNothing, imageGraph, textGraph, weightsOf } from './towers.ts';
import type { Checkpoint, ClipCheckpoint } from './weights.ts';

/** The towers of a CLIP from weights in a folder. Each tower is built and compiled at its first use. */
export function clipSessions(
  record: EncoderRecord,
  folder: string,
  engine: Engine,
  tokenizer: Lazy<TextTokenizer>,
): {
  image: LazySession;
  text: LazySession;
  /** A tokenizer that throws for tokens outside the text tower's vocabulary. */
  tokenizer: Lazy<TextTokenizer>;
  textTower(): Promise<TextTower>;
  /** Present if rows have pre-projection features. */
  projection?(): Promise<Projection>;
} {
  const tower = (graph: typeof imageGraph) =>
    sessionOf(() =>
      withClip(record, folder, async (checkpoint, { shape }) => {
        const weights = engine.readsWeights ? checkpoint.files : undefined;
        return engine.compile(await graph(checkpoint, shape, weights), { weights });
      }),
    );
  const checked = lazily(async () => {
    const { text } = await withClip(record, folder, async (_, { shape }) => shape);
    return checkedTokenizer(await tokenizer.get(), text);
  });
  return {
    image: tower(imageGraph),
    text: tower(textGraph),
    tokenizer: checked,
    textTower: async () => {
      const { encode } = await checked.get();
      return withClip(record, folder, (checkpoint, facts) => openTextTower(checkpoint, facts, encode));
    },
    ...(featuresOf(record) && {
      projection: () => withClip(record, folder, (checkpoint, { shape }) => projectionOf(checkpoint, shape)),
    }),
  };
}

/** Opens the weights of a CLIP while `use` runs. Throws `ModelError` if they no longer match the record. */
export async function withClip<T>(
  record: EncoderRecord,
  folder: string,
  use: (checkpoint: ClipCheckpoint, facts: ClipFacts) => Promise<T>,
): Promise<T> {
  const paths = record.files.map(({ path }) => path).filter((path) => !path.startsWith('tokenizer'));
  const read = await readConfigurationFiles(folder, paths);
  const checkpoint = await openCheckpoint(join(folder, record.imageModel));
  try {
    const facts = await clipFacts(checkpoint, read);
    checkRecipe(record, facts.recipe);
    const features = featuresOf(record);
    return await use(checkpoint, features ? { ...facts, shape: { ...facts.shape, features } } : facts);
  } finally {
    await checkpoint.close();
  }
}

/** The number of pre-projection features in a row of the encoder. Undefined if rows have none. */
function featuresOf(record: EncoderRecord): number | undefined {
  return record.kind === 'dual' ? record.features : undefined;
}

/** Throws `ModelError` if another version computed the encoder differently: features under its fingerprint must not be mixed with new ones. */
export function checkRecipe({ id, recipe }: EncoderRecord, configured: EncoderRecord['recipe']): void {
  if (isDeepStrictEqual(configured, recipe)) return;
  throw new ModelError(
    `The record of the encoder ${id} is from a version that did not understand its configuration`,
    {
      code: 'encoder/record',
      hint: 'Remove the encoder, pull it again, and fit its classifiers again.',
      details: { recorded: recipe, configured },
    },
  );
}

/** Refuses tokens without an embedding, and texts without an end token. */
function checkedTokenizer(
  { encode, ...others }: TextTokenizer,
  { vocabulary, end }: TextShape,
): TextTokenizer {
  return {
    ...others,
    encode: (text) => {
      const ids = encode(text);
      const foreign = ids.find((id) => id >= vocabulary);
      if (foreign === undefined && (end === undefined || ids.includes(end))) return ids;
      throw new ModelError(
        foreign === undefined
          ? `The tokenizer does not end a text with token ${end}, the end token of the configuration`
          : `The tokenizer gives token ${foreign}, but the vocabulary of the weights has ${vocabulary}`,
        {
          code: 'weights/tokens',
          hint: 'The tokenizer belongs to another model. Get both files from one source.',
          details: { end, vocabulary },
        },
      );
    },
  };
}

/** Whether prompts can be learnt with a text tower: their tokens are cut after the end, which only a causal tower that reads the end token allows. */
export function takesLearntWords({ causal, pool }: TextShape): boolean {
  return causal && pool === 'end';
}

/** The text tower from its tokens' embeddings to the text's embedding, with its weights as inputs. */
async function openTextTower(
  checkpoint: Checkpoint,
  { shape: { text, features } }: ClipFacts,
  encode: (text: string) => number[],
): Promise<TextTower> {
  if (!takesLearntWords(text))
    throw new ModelError(
      'Prompts cannot be learnt with this encoder: its text tower attends to the padding',
      {
        code: 'weights/attention',
        hint: 'Use another method than CoOp, or an encoder of the CLIP family.',
      },
    );
  const table = await checkpoint.tensor('token_embedding.weight');
  const { shapes } = checkpoint;
  const build = (embeddings: Expr, end: Expr) =>
    besideNothing(encodeEmbeddings(embeddings, end, asInputs({ shapes }), text), features);
  const used = await weightsOf(checkpoint, (weights) =>
    encodeEmbeddings(
      input('embeddings', ['p', text.context, text.width]),
      input('end', ['p', text.context]),
      weights,
      text,
    ),
  );
  return {
    width: text.width,
    context: text.context,
    tokenize: (words) => Int32Array.from(encode(words)),
    embedTokens: (ids) => {
      const rows = matrix(ids.length, text.width);
      ids.forEach((id, i) => {
        rows.data.set(
          (table.data as Float32Array).subarray(id * text.width, (id + 1) * text.width),
          i * text.width,
        );
      });
      return rows;
    },
    encode: build,
    weights: Object.fromEntries(
      [...used].map(([name, tensor]): [string, Tensor] => [`clip.${name}`, tensor]),
    ),
  };
}
