import { quoted } from '../dataset/findings.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import { messageAbout } from '../errors.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { count, number, plural } from '../words.ts';
import type { ClassifierData } from './types.ts';

/** Says which pictures could not be read. */
export function unreadable(code: string, failures: readonly { id: string; error: Error }[]): Finding[] {
  if (failures.length === 0) return [];
  const message = `${count(failures.length, 'picture')} could not be read and ${plural(failures.length, 'is', 'are')} left out`;
  const paths = failures.map(({ id, error }) => messageAbout(id, error.message));
  return [{ level: 'warning', code, message, paths }];
}

/**
 * Says which classes have lost all their pictures, because none of them could be read: that is known only when they are decoded. `kept`
 * are those that could be read; `code` is the finding's, and `consequence` what it means.
 */
export function emptiedClasses(
  classes: readonly ClassInfo[],
  examples: readonly Example[],
  kept: readonly Example[],
  { code, consequence }: { code: string; consequence: string },
): Finding[] {
  const labelsOf = (some: readonly Example[]) => new Set(some.map(({ label }) => label));
  const [before, left] = [labelsOf(examples), labelsOf(kept)];
  const ids = classes.filter((_, c) => before.has(c) && !left.has(c)).map(({ id }) => id);
  if (ids.length === 0) return [];
  const have = count(ids.length, 'class has', 'classes have');
  const message = `${have} no picture left, because none could be read (${quoted(ids)}); ${consequence}`;
  return [{ level: 'warning', code, message, paths: ids }];
}

/**
 * The classes that no left-out example belongs to, because they have no two examples that can be parted: a score on left-out
 * examples says nothing of them. None where the tuning rows were others, or there were none.
 */
export function unevaluatedClasses({
  tuning,
  support,
  classes,
}: Pick<ClassifierData, 'tuning' | 'support' | 'classes'>): ClassInfo[] {
  if (tuning.folds === 0) return [];
  const { query } = leaveOneShotOut(support);
  const evaluated = new Set(support.labels.filter((_, i) => query[i]! >= 0));
  return classes.filter((_, c) => !evaluated.has(c));
}

/** Says which classes those are. */
export function unevaluatedFindings(data: Pick<ClassifierData, 'tuning' | 'support' | 'classes'>): Finding[] {
  const ids = unevaluatedClasses(data).map(({ id }) => id);
  if (ids.length === 0) return [];
  const classes = `${number(ids.length)} of ${count(data.classes.length, 'class', 'classes')}`;
  const message = `${classes} could not be evaluated on left-out examples, because that takes two examples that are not alike: ${quoted(ids)}`;
  return [{ level: 'warning', code: 'fit/unjudged-class', message, paths: ids }];
}
