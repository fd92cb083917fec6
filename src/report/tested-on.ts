import { count, number, plural } from '../words.ts';
import type { ReportData } from './types.ts';

/** The words of a report for what it was tested on. */
interface Words {
  /** How many of how many were named correctly: the subject of a sentence and its verb. */
  readonly right: (correct: number, total: number) => string;
  /** Behind what it learned from. */
  readonly tested: (test: number) => string;
  /** A picture of those, and several. */
  readonly one: string;
  readonly many: string;
  /** What a reader must know before believing the figure: whether anything was chosen by looking at these pictures. */
  readonly protocols: Readonly<Record<string, string>>;
}

const WORDS: Readonly<Record<NonNullable<ReportData['testedOn']>, Words>> = {
  test: {
    right: (correct, total) =>
      `${number(correct)} of ${count(total, 'new picture')} ${plural(correct, 'was', 'were')} named correctly (accuracy)`,
    tested: (test) => `was tested on ${count(test, 'other')}`,
    one: 'test picture',
    many: 'test pictures',
    protocols: {
      folds: 'on the examples alone (leave-one-shot-out), never on the test pictures',
      val: 'on a validation split, never on the test pictures',
      fixed: 'beforehand, not on any of these pictures',
      paper: 'on the test pictures themselves, as in the published code, so the accuracy is optimistic',
    },
  },
  'left-out': {
    right: (correct, total) =>
      `${number(correct)} of ${count(total, 'example')} ${plural(correct, 'was', 'were')} named correctly (accuracy) while left out`,
    tested: (test) =>
      `was tested on ${number(test)} of them, each by a fit without it and the others of its round`,
    one: 'left-out picture',
    many: 'left-out pictures',
    protocols: {
      folds: 'on the same left-out pictures, so the accuracy is slightly optimistic',
      fixed: 'by hand or by the encoder, not on any of these pictures',
    },
  },
};

export function wordsFor({ testedOn = 'test' }: Pick<ReportData, 'testedOn'>): Words {
  return WORDS[testedOn];
}
