import { join } from 'node:path';
import type { Engine } from '../../engine/types.ts';
import type { Expr } from '../../graph/expression.ts';
import { input } from '../../graph/expression.ts';
import { matrix } from '../../math/matrix.ts';
import type { Tensor } from '../../math/tensor.ts';
import type { TextTower } from '../../methods/text-tower.ts';
import { readRegularText } from '../../store/regular.ts';
import { ENCODER_FILE, type EncoderRecord } from '../record.ts';
import type { TextTokenizer } from '../tokenizer.ts';
import { type LazySession, sessionOf } from '../tower.ts';
import { openCheckpoint } from './checkpoint.ts';
import { type ClipFacts, clipFacts } from './facts.ts';
import { encodeEmbeddings } from './text.ts';
import { asInputs, imageGraph, textGraph, weightsOf } from './towers.ts';
import type { Checkpoint } from './weights.ts';

/** The towers of a CLIP whose weights are in a folder: each is built and compiled at its first use. */
export function clipSessions(
  record: EncoderRecord,
  folder: string,
  engine: Engine,
): {
  image: LazySession;
  text: LazySession;
  textTower(tokenizer: { get(): Promise<TextTokenizer> }): Promise<TextTower>;
} {
  const open = async <T>(use: (checkpoint: Checkpoint, facts: ClipFacts) => Promise<T>): Promise<T> => {
    const checkpoint = await openCheckpoint(join(folder, record.imageModel));
    try {
      return await use(checkpoint, await clipFacts(checkpoint, await configurationOf(record, folder)));
    } finally {
      await checkpoint.close();
    }
  };
  const tower = (graph: (checkpoint: Checkpoint, facts: ClipFacts) => Promise<Record<string, Expr>>) =>
    sessionOf(() => open(async (checkpoint, facts) => engine.compile(await graph(checkpoint, facts))));
  return {
    image: tower((checkpoint, { shape }) => imageGraph(checkpoint, shape)),
    text: tower((checkpoint, { shape }) => textGraph(checkpoint, shape)),
    textTower: async (tokenizer) => {
      const { encode } = await tokenizer.get();
      return open((checkpoint, facts) => openTextTower(checkpoint, facts, encode));
    },
  };
}

/** The configuration files of an encoder's folder by path, parsed. */
export async function configurationOf(
  { files }: EncoderRecord,
  folder: string,
): Promise<(path: string) => Readonly<Record<string, unknown>> | undefined> {
  const wanted = files
    .map(({ path }) => path)
    .filter((path) => /^(open_clip_|preprocessor_)?config\.json$/.test(path));
  const read = wanted.map(
    async (path) => [path, JSON.parse(await readRegularText(join(folder, path), ENCODER_FILE))] as const,
  );
  const parsed = new Map(await Promise.all(read));
  return (path) => parsed.get(path);
}

/** The text tower between its tokens' embeddings and the text's, its weights as what inputs are fed. */
async function openTextTower(
  checkpoint: Checkpoint,
  { shape: { text } }: ClipFacts,
  encode: (text: string) => number[],
): Promise<TextTower> {
  const table = await checkpoint.tensor('token_embedding.weight');
  const { shapes } = checkpoint;
  const build = (embeddings: Expr, end: Expr) =>
    encodeEmbeddings(embeddings, end, asInputs({ shapes }), text);
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
