import { givenReading, type ReadValues } from '../dataset/read-options.ts';
import { DTYPES, STORAGES } from '../dataset/stored-formats.ts';
import { encoderOption } from '../encoder/encoder-option.ts';
import { UsageError } from '../errors.ts';
import { choice, flag, type ValuesOf } from '../options.ts';
import { isHubData, isStreamed } from '../store/store-address.ts';

/** The options of `embed`: one table for the library's checks, the command line, its help and the reference page. */
export const embedOptions = {
  encoder: encoderOption,
  format: choice(STORAGES, {
    default: 'npy',
    help: 'The files to write: a table for each split (npy, safetensors), or Parquet files of about 2,000 pictures each. In parquet, features are bytes of a fixed length; in parquet-list, lists of numbers, which are slower to write.',
  }),
  dtype: choice(DTYPES, {
    default: 'float32',
    help: 'How numbers are stored. float16 halves the size; a classifier keeps its examples in this precision.',
  }),
  exif: flag({ default: true, help: 'Rotate photos by their EXIF orientation.' }),
  unlabelled: flag({ help: 'Take all pictures of a folder or archive without looking for classes.' }),
} as const;

/** The checked values of `embedOptions`. */
export type EmbedValues = ValuesOf<typeof embedOptions>;

/** Throws `UsageError` for an option that says how data are read and has no effect on a source without classes. */
export function checkUnlabelled(
  source: unknown,
  { classes, ...reading }: Partial<ReadValues> & { readonly classes?: string },
): void {
  const { followLinks: _, zipEncoding: __, ...labelled } = reading;
  const isStore = isStreamed(source);
  const idle = classes === undefined ? givenReading(isStore ? reading : labelled) : 'classes';
  if (idle === undefined) return;
  const where = isStore ? (isHubData(source) ? 'on the hub ' : 'in a store ') : '';
  throw new UsageError(`Option ${idle} has no effect on pictures ${where}without classes`, {
    code: 'option/no-effect',
    hint: 'Leave it out.',
    details: { option: idle },
  });
}
