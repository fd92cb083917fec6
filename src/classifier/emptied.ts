import { quoted } from '../dataset/findings.ts';
import type { ClassInfo, Example, Finding } from '../dataset/types.ts';
import { count } from '../words.ts';

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
