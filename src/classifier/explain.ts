import type { Abortable } from '../abort.ts';
import { dot, type Matrix, norm, row, softmax, topK } from '../math/matrix.ts';
import { isInFile } from '../methods/file-rows.ts';
import type { Scorer } from '../methods/score.ts';
import { isPlain, keysOf, type Support, selectExamples } from '../methods/task.ts';
import { predictionOf } from './prediction.ts';
import type { ClassifierData, Contribution, ExplainedClass, Explanation, Prediction } from './types.ts';

/** A scorer's output for one picture, and the number of examples to list. */
interface Explained {
  readonly features: Float32Array;
  /** The method's terms: `text` [1, c], and `cache` or `method` [1, c]. */
  readonly terms: Readonly<Record<string, Matrix>>;
  /** For cache methods [1, n]. The sum over the examples of a class is the class's cache term. */
  readonly votes?: Matrix;
  readonly examples?: number;
}

/** The scores [c] of one picture: the sum of its terms, in the method's order and precision. */
function scoresOfTerms(terms: Readonly<Record<string, Matrix>>): Float32Array {
  return Object.values(terms)
    .map((term) => row(term, 0))
    .reduce((total, term) => total.map((value, c) => value + term[c]!));
}

/** Explains the answer for a picture by its features [1, d]. `id` is the picture's name in the answer. */
export async function explainFeatures(
  data: ClassifierData,
  scorer: Scorer,
  id: string,
  features: Matrix,
  { reject, examples, signal }: Abortable & { reject?: number; examples?: number } = {},
): Promise<Explanation> {
  const { votes, ...terms } = await scorer.termsAndVotes(features, { signal });
  const probabilities = Float32Array.from(softmax(scoresOfTerms(terms), data.tuning.temperature));
  const prediction = predictionOf(data, id, probabilities, reject);
  return explainRow(data, prediction, { features: row(features, 0), terms, votes, examples });
}

/** Divides one picture's scores into the parts of text and examples. */
function explainRow(
  data: ClassifierData,
  prediction: Prediction,
  { features, terms: { text, ...parts }, votes, examples }: Explained,
): Explanation {
  const { classes } = data;
  const textPart = text ? row(text, 0) : new Float32Array(classes.length);
  const examplesPart = new Float32Array(classes.length);
  for (const part of Object.values(parts)) {
    row(part, 0).forEach((value, c) => {
      examplesPart[c]! += value;
    });
  }
  const partsOf = new Map(
    classes.map(({ id }, c) => [id, { text: textPart[c]!, examples: examplesPart[c]! }]),
  );
  const explained = prediction.ranking.map((ranked): ExplainedClass => {
    const { text, examples } = partsOf.get(ranked.id)!;
    return { ...ranked, text, examples, score: text + examples };
  });
  return {
    prediction,
    classes: explained,
    contributions: contributionsOf(data, features, votes && row(votes, 0), examples),
    part: votes ? 'cache' : 'method',
  };
}

/** Number of listed contributions if the examples' features stay in the file. */
const TOLD = 100;

function contributionsOf(
  { support, classes, examples }: ClassifierData,
  features: Float32Array,
  votes: Float32Array | undefined,
  most = isInFile(support.features) && votes ? TOLD : examples.length,
): Contribution[] {
  const told = votes && most < examples.length ? topK(votes, most) : [...examples.keys()];
  const key = keysAt(support, told);
  const length = norm(features) || 1;
  return told
    .map((i, place): Contribution => {
      const { id: classId, name: className } = classes[support.labels[i]!]!;
      const own = key(place);
      const similarity = dot(own, features) / (length * (norm(own) || 1));
      const { id, thumbnail } = examples[i]!;
      return { example: id, classId, className, similarity, weight: votes?.[i], thumbnail };
    })
    .sort((a, b) => (b.weight ?? b.similarity) - (a.weight ?? a.similarity) || b.similarity - a.similarity)
    .slice(0, most);
}

/** The keys of support sets with several views. They are kept, because every explained picture is compared with all examples. */
const allKeys = new WeakMap<Support, Matrix>();

/** The keys of some examples (not normalised), by their position in the list. */
function keysAt(support: Support, examples: readonly number[]): (place: number) => Float32Array {
  const { features } = support;
  if (isPlain(support)) {
    return isInFile(features)
      ? (place) => features.row(examples[place]!)
      : (place) => row(features, examples[place]!);
  }
  if (examples.length < support.labels.length) {
    const keys = keysOf(selectExamples(support, examples));
    return (place) => row(keys, place);
  }
  const keys = allKeys.get(support) ?? keysOf(support);
  allKeys.set(support, keys);
  return (place) => row(keys, examples[place]!);
}
