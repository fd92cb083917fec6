import type { Classifier } from '../classifier/classifier.ts';
import { argmax, dot, type Matrix, row, topK, unitRows } from '../math/matrix.ts';
import type { Lesson } from './lesson.ts';
import type { Guess, NextPicture } from './status.ts';

/** The likeliest class of each picture. `features` [n, d] are those of `hashes`. */
export async function guessAll(
  classifier: Classifier,
  lesson: Lesson,
  hashes: readonly string[],
  features: Matrix,
): Promise<Guess[]> {
  const probabilities = await classifier.probabilities(features);
  return hashes.map((hash, i) => {
    const p = row(probabilities, i);
    const best = argmax(p);
    return { hash, classId: lesson.classes[best]!.key, probability: p[best]! };
  });
}

/** Pictures that are proposed at a time, and the most classes that are told of each. */
const PROPOSED = 8;
const GUESSES = 50;
/** Nearer than this (cosine) to a picture that is proposed already, another one teaches little more. */
const ALIKE = 0.95;

/**
 * Which of the pictures that are not sorted yet teach most: those between two classes, the smallest margin of probabilities first
 * (margin sampling; Scheffer, Decomain and Wrobel, IDA 2001), near-copies of one left for later. `features` [n, d] are those of `hashes`; pictures of `kept` are proposed in any case.
 */
export async function labelNext(
  classifier: Classifier,
  lesson: Lesson,
  hashes: readonly string[],
  features: Matrix,
  kept: ReadonlySet<string> = new Set(),
): Promise<NextPicture[]> {
  const probabilities = await classifier.probabilities(features);
  const units = unitRows(features);
  const pictures = hashes.map((hash, i) => {
    const p = row(probabilities, i);
    const best = argmax(p);
    const margin = p[best]! - p.reduce((most, x, c) => (c === best ? most : Math.max(most, x)), 0);
    return { hash, p, margin, unit: row(units, i) };
  });
  const chosen = pictures.filter(({ hash }) => kept.has(hash));
  for (const picture of pictures.toSorted((a, b) => a.margin - b.margin)) {
    if (chosen.length >= PROPOSED) break;
    if (chosen.every(({ unit }) => dot(unit, picture.unit) < ALIKE)) chosen.push(picture);
  }
  return chosen.map(({ hash, p }) => ({
    hash,
    guesses: topK(p, GUESSES).map((c) => {
      const { key: id, name } = lesson.classes[c]!;
      return { id, name, probability: p[c]! };
    }),
  }));
}
