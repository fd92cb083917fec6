import { open } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Abortable } from '../abort.ts';
import { ahead } from '../encoder/ahead.ts';
import { InterruptedError, throwIfAborted, UsageError } from '../errors.ts';
import { takenAt } from '../image/exif-date.ts';
import { count } from '../words.ts';
import { info, warning } from './findings.ts';
import { groupBy } from './groups.ts';
import { visible } from './names.ts';
import type { Dataset, Example, Finding } from './types.ts';

/** The kinds of groups that pictures can be put into. */
export const GROUPINGS = ['folder', 'date', 'name-prefix', 'column'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Names a picture's group. Undefined for a picture that belongs to none. */
type GroupOf = (example: Example) => string | undefined;

/**
 * The data set with groups by the pictures' folders inside of the class folders, by the day on which they were taken (Exif, else a date in
 * the name), by their names without the number at the end, or by the column `group`, which is also used otherwise. A picture without such a
 * group keeps the one it has. Throws `UsageError` if `column` is wanted and there is none.
 */
export async function groupedBy(
  dataset: Dataset,
  by: Grouping,
  { signal }: Abortable = {},
): Promise<Dataset> {
  const { examples, findings, name } = dataset;
  if (by === 'column') {
    if (examples.some(({ group }) => group !== undefined)) return dataset;
    throw new UsageError(`${name} has no column of groups`, {
      code: 'dataset/group-column',
      hint: 'Name a column of the table group, or group by folder, date or name-prefix.',
    });
  }
  const groupOf =
    by === 'folder' ? folders(dataset) : by === 'date' ? await days(examples, signal) : prefixOf;
  const grouped = examples.map((example): Example => {
    const group = groupOf(example);
    return group === undefined ? example : { ...example, group: `${by} ${group}` };
  });
  const sizes = [...groupBy(grouped, ({ group }) => group)].flatMap(([group, own]) =>
    group === undefined ? [] : [own.length],
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const found =
    sizes.length === 0
      ? warning('no-groups', `No picture of ${name} belongs to a group by ${by}.`)
      : info(
          'groups',
          `${count(total, 'picture')} of ${count(examples.length, 'picture')} ${total === 1 ? 'is' : 'are'} in ${count(sizes.length, 'group')} by ${by}, the largest of ${count(Math.max(...sizes), 'picture')}.`,
        );
  return { ...dataset, examples: grouped, findings: [...findings, found] };
}

/** A folder is a group if it lies in a folder with other pictures of its class, as `cat/session1/` does. */
function folders({ classes, examples }: Dataset): GroupOf {
  const folderOf = ({ id }: Example) => posix.dirname(id);
  const ofClass = groupBy(examples, ({ label, split }) => `${label} ${split}`);
  const several = new Set(
    [...ofClass].flatMap(([key, own]) => (new Set(own.map(folderOf)).size > 1 ? [key] : [])),
  );
  return (example) => {
    const folder = folderOf(example);
    const isClass = visible(posix.basename(folder)) === classes[example.label]?.id;
    return isClass || !several.has(`${example.label} ${example.split}`) ? undefined : folder;
  };
}

const stemOf = ({ id }: Pick<Example, 'id'>) => posix.parse(id).name;

/** The folder and the name without the number at its end: `cat/IMG_7-2.jpg` and `cat/IMG_7-3.jpg` are of `cat/IMG_7`. */
const prefixOf: GroupOf = ({ id }) => {
  const [, prefix] = /^(.*?)[\s_.()-]*\d+\W*$/u.exec(stemOf({ id })) ?? [];
  return prefix ? `${posix.dirname(id)}/${prefix}` : undefined;
};

async function days(examples: readonly Example[], signal?: AbortSignal): Promise<GroupOf> {
  const seconds = await secondsOf(examples, signal);
  return ({ id }) => seconds.get(id)?.slice(0, 'YYYY-MM-DD'.length);
}

/** Bytes at the beginning of a file that are searched for Exif data, and number of files that are read at a time. */
const HEAD = 2 ** 16;
const READ_AHEAD = 16;

/** When each picture was taken, to the second, by its id. */
async function secondsOf(examples: readonly Example[], signal?: AbortSignal): Promise<Map<string, string>> {
  const seconds = new Map<string, string>();
  const read = async (example: Example) => {
    throwIfAborted(signal);
    return [example.id, (await takenOf(example)) ?? secondInName(stemOf(example))] as const;
  };
  for await (const [id, second] of ahead(examples, read, READ_AHEAD)) if (second) seconds.set(id, second);
  return seconds;
}

/** A picture that cannot be read has no date here; encoding it reports the error. */
async function takenOf(example: Example): Promise<string | undefined> {
  try {
    return takenAt(example.path ? await headOf(example.path) : await example.read());
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    return undefined;
  }
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The second in a name that a camera made: `IMG_20240517_102231`, `PXL_20240517_102231123`. */
function secondInName(stem: string): string | undefined {
  const date = /(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)[-_ ]?(\d\d)(\d\d)(\d\d)(?:\d{3})?(?!\d)/.exec(stem);
  if (!date) return undefined;
  const [year, month, day, hour, minute, second] = date.slice(1).map(String);
  const isDate = Number(month) <= 12 && Number(day) <= 31 && Number(hour) < 24 && Number(minute) < 60;
  return isDate ? `${year}-${month}-${day}T${hour}:${minute}:${second}` : undefined;
}

/** The part of a name that the pictures of a burst or the frames of a video share. */
function burstOf({ id }: Example): string | undefined {
  const [burst] = /^.*?(burst|frame|video)/i.exec(stemOf({ id })) ?? [];
  return burst && /\d/.test(stemOf({ id }).slice(burst.length))
    ? `${posix.dirname(id)}/${burst.toLowerCase()}`
    : undefined;
}

/**
 * The series of numbered pictures in a class with several of them, by the pictures' ids: `shelf-7_001` is in the series `shelf-7`. A series
 * ends in a number of its own. At least half of the class has to be in series of two pictures or more: ids of the web also consist of two numbers.
 */
function seriesOf(examples: readonly Example[]): Map<string, string> {
  const series = new Map<string, string>();
  for (const own of groupBy(examples, ({ label }) => label).values()) {
    const named = groupBy(own, ({ id }) => {
      const [, name] = /^(.*\d)[-_. ]+\d{1,5}$/.exec(stemOf({ id })) ?? [];
      // Cameras put the date before the number.
      return name === undefined || /(19|20)\d{6}/.test(name) ? undefined : `${posix.dirname(id)}/${name}`;
    });
    named.delete(undefined);
    const several = [...named].filter(([, pictures]) => pictures.length > 1);
    const pictures = several.flatMap(([name, all]) => all.map(({ id }) => [id, name!] as const));
    if (several.length < 2 || 2 * pictures.length < own.length) continue;
    for (const [id, name] of pictures) series.set(id, name);
  }
  return series;
}

/** Largest number of pictures whose dates are looked at. */
const MOST_DATED = 5000;

/**
 * Warns of pictures of one class that were probably taken together and are in no common group: those of one second, and those that are
 * numbered as a burst, as frames of a video or as one of several series. No figure on left-out examples is to be believed with such pictures on both sides.
 */
export async function likelyGroups(
  examples: readonly Example[],
  { signal }: Abortable = {},
): Promise<Finding[]> {
  const seconds = await secondsOf(examples.slice(0, MOST_DATED), signal);
  const series = seriesOf(examples);
  const rules: readonly (readonly [by: Grouping, how: string, key: GroupOf])[] = [
    ['date', 'in the same second', ({ id }) => seconds.get(id)],
    [
      'name-prefix',
      'in a burst, a video or a series, by their names',
      (example) => burstOf(example) ?? series.get(example.id),
    ],
  ];
  return rules.flatMap(([by, how, key]) => {
    const together = [
      ...groupBy(examples, (example) => {
        const own = key(example);
        return own === undefined ? undefined : `${example.label} ${own}`;
      }),
    ].filter(([name, own]) => name !== undefined && new Set(own.map(({ group }) => group ?? {})).size > 1);
    if (together.length === 0) return [];
    const pictures = together.flatMap(([, own]) => own.map(({ id }) => id));
    const message = `${count(pictures.length, 'picture')} were taken ${how} as others of their class (${count(together.length, 'group')}), so figures on left-out examples are too high. --group-by ${by} keeps them together.`;
    return [warning('likely-groups', message, pictures)];
  });
}
