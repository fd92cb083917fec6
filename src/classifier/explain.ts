import { dot, type Matrix, norm, row, topK } from '../math/matrix.ts';
import { type FileRows, isInFile } from '../methods/file-rows.ts';
import { keysOf } from '../methods/task.ts';
import type { ClassifierData, Contribution, ExplainedClass, Explanation, Prediction } from './types.ts';

/**
 * Takes one picture's score apart. `terms` are the method's terms for that one row: `text` [1, c], `cache` or `method`
 * [1, c], and for cache methods `votes` [1, n], which add up to the cache part class by class.
 */
export function explainRow(
  data: ClassifierData,
  prediction: Prediction,
  features: Float32Array,
  { text, votes, ...parts }: Readonly<Record<string, Matrix>>,
): Explanation {
  const { classes } = data;
  const textPart = text ? row(text, 0) : new Float32Array(classes.length);
  const examplesPart = new Float32Array(classes.length);
  for (const part of Object.values(parts)) {
    row(part, 0).forEach((value, c) => {
      examplesPart[c] += value;
    });
  }
  const index = new Map(classes.map(({ id }, c) => [id, c]));
  const explained = prediction.ranking.map((ranked): ExplainedClass => {
    const c = index.get(ranked.id) as number;
    return { ...ranked, text: textPart[c], examples: examplesPart[c], score: textPart[c] + examplesPart[c] };
  });
  return {
    prediction,
    classes: explained,
    contributions: contributionsOf(data, features, votes && row(votes, 0)),
    part: votes ? 'cache' : 'method',
  };
}

/** Contributions that are told of examples that stay in a file. */
const TOLD = 100;

function contributionsOf(data: ClassifierData, features: Float32Array, votes?: Float32Array): Contribution[] {
  const { support, classes, examples } = data;
  const inFile = isInFile(support.features) ? support.features : undefined;
  const told = inFile && votes ? topK(votes, TOLD) : [...examples.keys()];
  const keys = inFile && votes ? undefined : keysOf(support);
  const length = norm(features) || 1;
  return told
    .map((i): Contribution => {
      const { id: classId, name: className } = classes[support.labels[i]];
      const key = keys ? row(keys, i) : (inFile as FileRows).row(i);
      const similarity = dot(key, features) / (length * (norm(key) || 1));
      const { id, thumbnail } = examples[i];
      return { example: id, classId, className, similarity, weight: votes?.[i], thumbnail };
    })
    .sort((a, b) => (b.weight ?? b.similarity) - (a.weight ?? a.similarity) || b.similarity - a.similarity);
}
