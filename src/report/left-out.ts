import type { Evaluation } from '../classifier/types.ts';
import { countUnread } from '../dataset/findings.ts';
import { count, plural } from '../words.ts';

/** Sentences on what an evaluation's figures do not cover. They are shown wherever the figures are. */
export function leftOut({
  excluded,
  failures,
  leftOutFolds,
  perClass,
}: Pick<Evaluation, 'excluded' | 'failures' | 'leftOutFolds'> & {
  readonly perClass: readonly { readonly total: number }[];
}): string[] {
  const own = excluded.length;
  const empty = perClass.filter(({ total }) => total === 0).length;
  return [
    leftOutFolds !== undefined &&
      `All pictures are examples of the classifier. Each was answered by a classifier that had not learnt from it (${count(leftOutFolds, 'fold')}).`,
    own > 0 &&
      `${count(own, 'picture')} ${plural(own, 'was', 'were')} left out, because the classifier has learnt from ${plural(own, 'it', 'them')}.`,
    failures.length > 0 && unreadLine(failures.map(({ image }) => image)),
    empty > 0 && `${count(empty, 'class', 'classes')} had no picture to be evaluated on.`,
  ].filter((line) => line !== false);
}

/** Note beside figures that do not cover unreadable pictures. */
export function unreadLine(unread: readonly string[]): string {
  return `The figures do not cover ${countUnread(unread)} that could not be read.`;
}
