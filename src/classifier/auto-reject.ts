import type { Finding } from '../dataset/types.ts';
import { argmax, row } from '../math/matrix.ts';
import { leftOutClasses } from '../methods/folds.ts';
import { roundedThreshold } from '../metrics/thresholds.ts';
import { someClasses } from '../words.ts';
import { type LeftOutOptions, leftOutAnswers } from './left-out.ts';
import type { ClassifierData } from './types.ts';

/** Share of the right answers to left-out examples that stay above the threshold. */
const KEPT = 0.95;

/**
 * The rejection threshold by a rule: the largest one that keeps 95% of the right answers to left-out examples, as false positive rates of
 * unknown pictures are compared (FPR95: Hendrycks and Gimpel, ICLR 2017). It needs no unknown pictures. Undefined if no left-out example is
 * answered right.
 */
export async function autoReject(
  data: ClassifierData,
  options: LeftOutOptions = {},
): Promise<number | undefined> {
  const leftOut = await leftOutAnswers(data, options);
  const confidences = leftOut?.examples
    .flatMap((example, i) => {
      const p = row(leftOut.probabilities, i);
      const best = argmax(p);
      return best === data.support.labels[example] ? [p[best]!] : [];
    })
    .sort((a, b) => a - b);
  if (!confidences || confidences.length === 0) return undefined;
  return roundedThreshold(confidences[Math.floor((1 - KEPT) * confidences.length + 1e-9)]!);
}

/** The finding about a threshold that the rule chooses for a classifier. A threshold by examples of some classes only is a warning. */
export function rejectFinding(
  threshold: number | undefined,
  { support, classes }: Pick<ClassifierData, 'support' | 'classes'>,
): Finding {
  const some = someClasses(leftOutClasses(support).size, classes.length);
  return threshold === undefined
    ? {
        level: 'warning',
        code: 'fit/no-threshold',
        message:
          'No threshold is chosen, and every picture is answered, because no example can be left out: a class needs two examples that are not near-duplicates',
      }
    : {
        level: some ? 'warning' : 'info',
        code: 'fit/threshold',
        message: `Answers below a probability of ${threshold} are "none of these": 95% of the right answers to left-out examples${some} are above it.`,
      };
}
