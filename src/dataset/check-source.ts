import { UsageError } from '../errors.ts';
import { describedValue } from '../words.ts';
import type { Dataset } from './types.ts';

/**
 * Throws `UsageError` for a value that is neither a path nor a data set, and for a data set with a label outside its list of classes:
 * such a picture would be learnt as another class, or be missing from a figure.
 */
export function checkSource(source: string | Dataset): void {
  if (typeof source === 'string') return;
  const { name, classes, examples } = Object(source) as Partial<Dataset>;
  if (!Array.isArray(classes) || !Array.isArray(examples)) {
    throw new UsageError(`A data set cannot be ${describedValue(source)}`, {
      code: 'dataset/source',
      hint: 'Give the path of labelled pictures, or a data set that readDataset returned.',
    });
  }
  const isLabel = (label: number) => Number.isInteger(label) && label >= -1 && label < classes.length;
  const wrong = examples.find(({ label }) => !isLabel(label));
  if (!wrong) return;
  const { id, label } = wrong;
  throw new UsageError(
    `${id} has the label ${label}; the classes of ${name} are 0 to ${classes.length - 1}`,
    {
      code: 'dataset/label',
      hint: 'A label is a place in the list of classes, or -1 if the picture has none.',
      details: { id, label },
    },
  );
}
