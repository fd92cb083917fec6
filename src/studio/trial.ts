import type { Trial } from './status.ts';
import type { LessonClassifier } from './teacher.ts';

/** Numbers of examples and of classes that are shown with an answer. */
const NEAREST = 6;
const SHOWN = 12;

/** Classifies a picture, and explains the answer: the most probable classes, and the examples that counted most. */
export async function tryPicture(
  classifier: LessonClassifier,
  serial: number,
  bytes: Uint8Array,
): Promise<Trial> {
  const started = performance.now();
  const { classes, contributions, part } = await classifier.explain(bytes, { examples: NEAREST });
  const { temperature } = classifier.data.tuning;
  const least = (part: 'text' | 'examples') =>
    classes.reduce((least, one) => Math.min(least, one[part]), Number.POSITIVE_INFINITY);
  const [leastText, leastOwn] = [least('text'), least('examples')];
  const hashOf = (example: string) =>
    classifier.data.examples.find(({ id }) => id === example)?.sha256 as string;
  return {
    serial,
    calibrated: classifier.calibrated,
    classes: classes.slice(0, SHOWN).map(({ id, name, probability, text, examples }) => ({
      id,
      name,
      probability,
      text: (text - leastText) / temperature,
      examples: (examples - leastOwn) / temperature,
    })),
    nearest: contributions.map(({ example, className, similarity, weight }) => ({
      hash: hashOf(example),
      className,
      similarity,
      weight,
    })),
    part,
    milliseconds: performance.now() - started,
  };
}
