import { UsageError } from '../errors.ts';
import {
  choice,
  flag,
  integer,
  type Option,
  type Options,
  optional,
  real,
  text,
  type ValuesOf,
} from '../options.ts';
import { quoted } from './findings.ts';

/** The roles of columns in a table of pictures. */
const ROLES = ['path', 'label', 'split', 'group'] as const;
export type Role = (typeof ROLES)[number];

/** How the files of a folder or an archive are listed, whatever is read from them. */
export const listOptions = {
  followLinks: flag({ help: 'Follow links that lead out of the folder.' }),
  zipEncoding: optional(
    text({
      value: '<encoding>',
      help: 'Encoding of the names in a zip that are not in UTF-8, such as shift_jis or gbk.',
    }),
  ),
} as const;

/** The values of `listOptions`. */
export type ListValues = Partial<ValuesOf<typeof listOptions>>;

/** How a data set is read: one table of options for `readDataset`, the commands, their help and the reference page. */
export const readOptions = {
  columns: optional(
    text({
      value: '<names>',
      help: 'Titles of the columns of a table by what they hold, such as path=filename,label=breed,split=fold,group=patient. Columns that are not given are found by their usual names.',
    }),
  ),
  crop: optional(
    choice(['boxes'], {
      help: 'Use each marked box as an example instead of whole pictures. The boxes of a picture are one group.',
    }),
  ),
  margin: real({
    default: 0,
    min: 0,
    max: 100,
    value: '<percent>',
    help: 'With --crop boxes: widen each box on all sides by this percentage of its width and height.',
  }),
  ...listOptions,
  limit: optional(
    integer({
      min: 1,
      help: 'Read at most this many pictures of each split, evenly from its classes. From the hub, only the files with these pictures are downloaded.',
    }),
  ),
} as const;

/** The checked values of `readOptions`. */
export type ReadValues = ValuesOf<typeof readOptions>;

/** Separates the values that say how a data set is read from the others. */
export function partReading<T extends Partial<ReadValues>>(
  values: T,
): { reading: Partial<ReadValues>; rest: Omit<T, keyof ReadValues> } {
  const entries = Object.entries(values);
  const isReading = ([name]: [string, unknown]) => name in readOptions;
  return {
    reading: Object.fromEntries(entries.filter(isReading)),
    rest: Object.fromEntries(entries.filter((entry) => !isReading(entry))) as Omit<T, keyof ReadValues>,
  };
}

/** The first option that says how a data set is read and differs from its default. */
export function givenReading(values: Partial<ReadValues>): string | undefined {
  const isGiven = ([name, option]: [string, Option]) => {
    const value = values[name as keyof ReadValues];
    return value !== undefined && value !== option.default;
  };
  return Object.entries(readOptions as Options).find(isGiven)?.[0];
}

/** The titles of columns by what they hold, from `path=filename,label=breed`. Throws `UsageError` for another form. */
export function columnNames(given: string): ReadonlyMap<Role, string> {
  const names = new Map<Role, string>();
  for (const part of given.split(',')) {
    const [, role = '', title = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
    const known = ROLES.find((one) => one === role);
    if (!known || title === '' || names.has(known)) {
      throw new UsageError(
        `Option --columns cannot be "${given}": ${quoted([part])} is not a name of a column`,
        {
          code: 'option/value',
          hint: `Write pairs such as path=filename,label=breed. The words on the left are ${ROLES.join(', ')}, each once.`,
          details: { option: 'columns', value: given },
        },
      );
    }
    names.set(known, title);
  }
  return names;
}
