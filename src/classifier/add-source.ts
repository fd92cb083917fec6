import { checkSource } from '../dataset/check-source.ts';
import { isFeatureDump } from '../dataset/feature-dump.ts';
import { readDataset } from '../dataset/read.ts';
import { learnable } from '../dataset/split.ts';
import type { ClassInfo, Dataset } from '../dataset/types.ts';
import { addLabelled, type Labelled, labelledList } from './add.ts';
import type { EncoderSession } from './encoder-session.ts';
import { addFeatures } from './features.ts';
import { joinClasses } from './grow.ts';
import { isList, readSource } from './image-source.ts';
import { learnAgain, type Told } from './learn.ts';
import type { ClassifierData, ImageSource, WorkOptions } from './types.ts';
import { unlisted } from './unread.ts';

/** A picture with its label: the id or shown name of a class. A name that the classifier does not have becomes a new class. */
export interface NewExample {
  readonly image: ImageSource;
  readonly label: string;
}

/**
 * The data with further examples, from labelled pictures, a data set, or the path of a data set or a folder of features. Examples that
 * the classifier already has are left out and reported.
 */
export async function addExamples(
  data: ClassifierData,
  session: EncoderSession,
  added: readonly NewExample[] | Dataset | string,
  { signal, onProgress }: WorkOptions = {},
): Promise<{ data: ClassifierData } & Told> {
  if (typeof added === 'string') {
    if (!(await isFeatureDump(added)))
      return addExamples(data, session, await readDataset(added, { signal }), { signal, onProgress });
    const { data: next, findings } = await addFeatures(data, session, added, { signal });
    if (data.summary) return { data: next, findings, unread: [] };
    return { data: await learnAgain(next, session, signal), findings, unread: [] };
  }
  const labelled = isList(added)
    ? labelledList(
        data.classes,
        added.map(({ image, label }) => ({ ...readSource(image), name: label })),
      )
    : labelledSet(data.classes, added);
  return addLabelled(data, session, labelled, { signal, onProgress });
}

/** The training examples of a data set. */
function labelledSet(known: readonly ClassInfo[], added: Dataset): Labelled {
  checkSource(added);
  const { classes: own, examples, findings } = learnable(added);
  const { classes, places, findings: respelled } = joinClasses(known, own);
  const numbered = examples
    .filter(({ label }) => label >= 0)
    .map((example) => ({ ...example, label: places[example.label]! }));
  return {
    examples: numbered,
    classes,
    findings: [...findings, ...respelled],
    unread: unlisted(added, (split) => split === 'train'),
  };
}
