import type { Finding } from '../dataset/types.ts';
import type { Encoder } from '../encoder/types.ts';
import type { Choice } from '../tuning/search-method.ts';
import { count, number, plural } from '../words.ts';
import type { EncoderReference } from './types.ts';

/** The sha256 of the pictures that an encoder was fine-tuned on. */
export function fineTunedOn({ fineTuned }: Pick<Encoder, 'fineTuned'>): ReadonlySet<string> {
  return new Set(fineTuned?.pictures);
}

/** The choice with the number of pictures that the encoder was fine-tuned on. `hashes` are those that the tuning rows are taken from. */
export function withLearntRows(
  choice: Choice,
  encoder: Pick<Encoder, 'fineTuned'>,
  hashes: readonly string[],
): Choice {
  const known = fineTunedOn(encoder);
  const learnt = choice.judges > 0 ? hashes.filter((hash) => known.has(hash)).length : 0;
  return learnt > 0 ? { ...choice, fineTuned: learnt } : choice;
}

/** Warns if scores of a fit are those of pictures that the encoder was fine-tuned on. */
export function fineTunedFindings({ fineTuned = 0 }: Pick<Choice, 'fineTuned'>): Finding[] {
  if (fineTuned === 0) return [];
  const message =
    `The encoder was fine-tuned on ${count(fineTuned, 'picture')} that the method was chosen and tuned on. ` +
    `Scores on ${plural(fineTuned, 'this picture are', 'these pictures are')} too good, and probabilities count as not calibrated. ` +
    'Pictures that the encoder has not learnt from give true scores';
  return [{ level: 'warning', code: 'fit/fine-tuned', message }];
}

/** Warns that rows of features may be of pictures that the encoder was fine-tuned on. The pictures of such rows are not known. */
export function perhapsFineTuned({
  id,
  fineTunedOn: pictures,
}: Pick<EncoderReference, 'id' | 'fineTunedOn'>): Finding[] {
  if (pictures === undefined) return [];
  const message =
    `The encoder ${id} was fine-tuned on ${count(pictures, 'picture')}. Whether rows of the features show these is not known; ` +
    'scores on such rows are too good';
  return [{ level: 'warning', code: 'fine-tuned/unknown', message }];
}

/**
 * Warns of test pictures that the encoder was fine-tuned on, which are left out. `own` of them are examples of the classifier whose answers
 * count nevertheless, as those of a classifier without them.
 */
export function fineTunedTestFindings(learnt: readonly string[], own: number): Finding[] {
  if (learnt.length === 0) return [];
  const [are, them] = [plural(learnt.length, 'is', 'are'), plural(learnt.length, 'it', 'them')];
  const beside =
    own > 0
      ? `; ${number(own)} of ${them} ${plural(own, 'is an example', 'are examples')}, whose left-out answers are too good`
      : '';
  const message = `${count(learnt.length, 'picture')} ${are} left out, because the encoder was fine-tuned on ${them}${beside}`;
  return [{ level: 'warning', code: 'eval/fine-tuned', message, paths: [...learnt] }];
}
