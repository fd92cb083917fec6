import type { ReportData } from './types.ts';

/** The words of a report for what judged it. */
interface Words {
  /** Behind a count of what was named correctly. */
  readonly right: (total: string) => string;
  /** Behind what it learned from. */
  readonly tested: (test: string) => string;
  /** A picture of those that judged, and several. */
  readonly one: string;
  readonly many: string;
  /** What a reader must know before believing the figure: whether anything was chosen by looking at these pictures. */
  readonly protocols: Readonly<Record<string, string>>;
}

const WORDS: Readonly<Record<NonNullable<ReportData['judged']>, Words>> = {
  test: {
    right: (total) => `of ${total} new pictures were named correctly (accuracy)`,
    tested: (test) => `was tested on ${test} others`,
    one: 'test picture',
    many: 'test pictures',
    protocols: {
      folds: 'on the examples alone (leave-one-shot-out), never on the test pictures',
      val: 'on a validation split, never on the test pictures',
      fixed: 'beforehand, not on any of these pictures',
      paper: 'on the test pictures themselves, as the published code does: the accuracy is optimistic',
    },
  },
  'left-out': {
    right: (total) => `of ${total} examples were named correctly (accuracy) while they were left out`,
    tested: (test) => `was tested on ${test} of them, each while it and those of its round were left out`,
    one: 'left-out picture',
    many: 'left-out pictures',
    protocols: {
      folds: 'on the same left-out pictures: the accuracy is slightly optimistic',
      fixed: 'by hand or by the encoder, not on any of these pictures',
    },
  },
};

export function wordsFor({ judged = 'test' }: Pick<ReportData, 'judged'>): Words {
  return WORDS[judged];
}
