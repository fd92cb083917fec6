import { quoted } from '../dataset/findings.ts';
import type { ClassInfo, Finding } from '../dataset/types.ts';
import { leaveOneShotOut } from '../methods/folds.ts';
import { count, number } from '../words.ts';
import type { ClassifierData } from './types.ts';

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
