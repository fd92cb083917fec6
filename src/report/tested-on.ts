import { count, number, plural } from '../words.ts';
import type { ReportData } from './types.ts';

/** Words of a report that depend on what it was tested on. */
interface Words {
  /** A clause with the numbers of correct and of all answers. */
  readonly right: (correct: number, total: number) => string;
  /** A clause on the pictures that it was tested on. It follows the clause on what it learned from. */
  readonly tested: (test: number) => string;
  /** Names of one test picture and of several. */
  readonly one: string;
  readonly many: string;
  /** For each protocol, whether constants were chosen on these pictures: a reader needs it to judge the figure. */
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
      'left-out': 'on some of the examples, which were left out first, never on the test pictures',
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
