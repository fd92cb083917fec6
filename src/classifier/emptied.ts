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
  const left = new Set(kept.map(({ label }) => label));
  const gone = [...new Set(examples.map(({ label }) => label))].filter((label) => !left.has(label));
  if (gone.length === 0) return [];
  const ids = gone.sort((a, b) => a - b).map((label) => classes[label].id);
  const have = count(ids.length, 'class has', 'classes have');
  const message = `${have} no picture left, because none could be read (${quoted(ids)}); ${consequence}`;
  return [{ level: 'warning', code, message, paths: ids }];
}
