import { createHash } from 'node:crypto';
import { type Abortable, atOnce, type Pieces } from '../abort.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import { ahead } from '../encoder/ahead.ts';
import type { EncodedImages } from '../encoder/encode.ts';
import { type CutPrompt, presetTemplates, textHead } from '../encoder/prompts.ts';
import type { Encoder } from '../encoder/types.ts';
import { roundToHalf } from '../math/half.ts';
import { roundToInt8, roundToInt8InPieces } from '../math/int8.ts';
import { type Matrix, matrix, row, unitRowsInPieces } from '../math/matrix.ts';
import { converted } from '../math/pieces.ts';
import type { Support } from '../methods/task.ts';
import { headFromPrompts } from '../methods/text-head.ts';
import { count, plural } from '../words.ts';
import type { EncoderSession } from './encoder-session.ts';
import type { ClassifierData, SupportExample } from './types.ts';

/** How the examples' features are kept in the file. */
export type Keys = 'half' | 'int8';

/** Features as the file will hold them. */
export function rounded(features: Matrix, keys: Keys): Matrix {
  return atOnce(roundedInPieces(features, keys));
}

/** The same as work that rests. */
export function* roundedInPieces(features: Matrix, keys: Keys): Pieces<Matrix> {
  if (keys === 'int8') return yield* roundToInt8InPieces(yield* unitRowsInPieces(features));
  const { rows, cols, data } = features;
  return matrix(rows, cols, yield* converted(data, new Float32Array(data.length), roundToHalf));
}

/** The sha256 of each row of features in half precision: what tells that features which were brought along are known. */
export function* rowHashes(half: Matrix): Pieces<string[]> {
  const hashes: string[] = [];
  for (let i = 0; i < half.rows; i++) {
    hashes.push(createHash('sha256').update(row(half, i)).digest('hex'));
    yield;
  }
  return hashes;
}

/** A support set put together of others, as the file will hold it: in 8 bits a column's unit depends on all rows. */
export function roundedAgain(support: Support, keys: ClassifierData['keys']): Support {
  return keys?.type === 'int8' ? { ...support, features: roundToInt8(support.features) } : support;
}

/** The support set of encoded examples, its features rounded as the file will hold them. */
export function supportOf(
  examples: readonly Pick<Example, 'label'>[],
  { features, rows, failed }: EncodedImages,
  groups: Int32Array,
  keys: Keys,
): Support {
  const position = new Map<number, number>();
  for (const { item } of rows)
    if (!failed.has(item) && !position.has(item)) position.set(item, position.size);
  return {
    features: rounded(features, keys),
    example: Int32Array.from(rows, ({ item }) => position.get(item) as number),
    view: Int32Array.from(rows, ({ view }) => view),
    labels: Int32Array.from(examples, (example) => example.label),
    groups,
  };
}

/** Who the examples are: id, hash and, with a session to make them, small pictures. */
export async function describeExamples(
  examples: readonly Example[],
  { hashes }: EncodedImages,
  pictures?: EncoderSession,
  work: Abortable = {},
): Promise<SupportExample[]> {
  const describe = async ([i, example]: [number, Example]): Promise<SupportExample> => ({
    id: example.id,
    sha256: hashes[i]!,
    thumbnail: await pictures?.thumbnail(example, work),
  });
  const described: SupportExample[] = [];
  for await (const one of ahead(examples.entries(), describe, READ_AHEAD)) described.push(one);
  return described;
}

/** Pictures whose bytes are in memory at a time to make small ones of them. */
const READ_AHEAD = 16;

/** The prompts that a person wants, or the encoder's own. */
export function templatesOf(
  { template, prompts }: { template?: readonly string[]; prompts?: string },
  encoder: Pick<Encoder, 'defaults'>,
): string[] {
  if (template) return [...template];
  return prompts ? [...presetTemplates(prompts)] : [encoder.defaults.template];
}

/** The text head with its embeddings rounded to half precision, as the file will hold them, and what is to be told of its prompts. */
export async function roundedHead(
  encoder: Encoder,
  classes: readonly ClassInfo[],
  templates: readonly string[],
  signal?: AbortSignal,
): Promise<{ head: NonNullable<ClassifierData['head']>; findings: Finding[] }> {
  const { promptFeatures, promptClass, prompts, cut } = await textHead(
    encoder,
    [...classes],
    [...templates],
    { signal },
  );
  const kept = rounded(promptFeatures, 'half');
  const head = { ...headFromPrompts(kept, promptClass, classes.length, encoder.logitScale), prompts };
  return { head, findings: cutFindings(cut, encoder.id) };
}

/** Says which prompts an encoder does not read to their end. */
export function cutFindings(cut: readonly CutPrompt[], encoder: string): Finding[] {
  const [first] = cut;
  if (!first) return [];
  const [are, ends] = [plural(cut.length, 'is', 'are'), plural(cut.length, 'its end is', 'their ends are')];
  return [
    {
      level: 'warning',
      code: 'prompts/cut',
      message: `${count(cut.length, 'prompt')} ${are} longer than the ${count(first.read, 'token')} that ${encoder} reads; ${ends} not read`,
      paths: cut.map(({ prompt, tokens }) => `${prompt} (${count(tokens, 'token')})`),
    },
  ];
}
