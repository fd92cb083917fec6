import { argmax, dot, type Matrix, row, topK, unitRows } from '../math/matrix.ts';
import type { Lesson } from './lesson.ts';
import type { Guess, NextPicture } from './status.ts';
import type { LessonClassifier } from './teacher.ts';

/** The most probable class of each picture. `features` [n, d] are those of `hashes`. */
export async function guessAll(
  classifier: LessonClassifier,
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

/** Number of pictures that are proposed at a time, and of classes that are given for each. */
const PROPOSED = 8;
const GUESSES = 50;
/** A picture whose cosine with a proposed one is above this is not proposed too: it would teach little more. */
const ALIKE = 0.95;

/**
 * The unsorted pictures to label next: those with the smallest margin between the two largest probabilities (margin sampling;
 * Scheffer, Decomain and Wrobel, IDA 2001). Near-copies of a proposed picture are left for later. `features` [n, d] are those of
 * `hashes`; pictures of `kept` are proposed in any case.
 */
export async function labelNext(
  classifier: LessonClassifier,
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
