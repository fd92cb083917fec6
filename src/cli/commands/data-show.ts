import type { ClassCount } from '../../dataset/overview.ts';
import { readOptions } from '../../dataset/read-options.ts';
import type { Dataset } from '../../dataset/types.ts';
import { optional, text } from '../../options.ts';
import type { Table } from '../../report/table.ts';
import { count, number } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { checkAllRead } from '../images.ts';
import { checkOutput } from '../output-checks.ts';
import { printJson, tableLines } from '../print.ts';
import { withBar } from '../progress-bars.ts';
import { tellFindings } from '../tell.ts';
import { refuseWarnings, strictOption } from '../told-data.ts';

/** Number of classes shown without --json. If there are more, those with the fewest pictures are shown. */
const SHOWN = 20;

const SPLITS = ['train', 'val', 'test'] as const;

export const dataShowCommand = defineCommand({
  args: ['<data>'],
  options: {
    classes: optional(
      text({ value: '<file>', help: 'A file with the names of the classes: CSV, JSON or text.' }),
    ),
    report: optional(text({ value: '<file>', help: 'Write an HTML page with pictures of each class.' })),
    ...readOptions,
    strict: strictOption,
    json: jsonOption,
  },
  examples: [
    ['tip-adapter data show photos/', 'Prints what fit would read, without encoding anything.'],
    ['tip-adapter data show photos/ --report photos.html', 'Also writes a page with pictures of each class.'],
    ['tip-adapter data show photos/ --strict', 'Ends with status 3 if there is a warning.'],
  ],
  async check([source], { report, classes }) {
    if (report) await checkOutput(report, [source, classes]);
  },
  async run([source], { classes, report, strict, json, ...reading }, io) {
    const { readDataset } = await import('../../dataset/read.ts');
    const { overviewOf } = await import('../../dataset/overview.ts');
    const dataset = await readDataset(source, {
      ...reading,
      classes,
      signal: io.signal,
      note: (line) => io.note(line),
    });
    const { findings, name, unreadable = [] } = dataset;
    const overview = overviewOf(dataset);
    if (json) printJson(io, facts(dataset, overview));
    else {
      const [found, ...others] = findings;
      io.print([found!.message, '', ...classLines(io, overview.classes)]);
      tellFindings(io, others);
    }
    const unread = unreadable.map(({ path }) => path);
    if (report) {
      const { dataPage } = await import('../data-page.ts');
      const { writeFileAtomic } = await import('../../store/atomic.ts');
      const made = await withBar(io, 'Thumbnails', (bar) =>
        dataPage(dataset, overview, { signal: io.signal, onProgress: bar.update }),
      );
      await writeFileAtomic(report, made.page);
      io.note(`Report: ${report}`);
      unread.push(...made.unread);
    }
    if (strict) refuseWarnings(findings, name);
    checkAllRead(unread, { code: 'data/unreadable', hint: 'The output is about the other files.' });
  },
});

function facts(
  { name, root, layout, findings, unreadable = [] }: Dataset,
  {
    classes,
    pictures,
    train,
    val,
    test,
    unlabelled,
    groups,
  }: ReturnType<typeof import('../../dataset/overview.ts').overviewOf>,
) {
  const splits = { train, val, test };
  return { name, root, layout, pictures, unlabelled, splits, groups, classes, findings, unreadable };
}

function classLines(io: Parameters<typeof tableLines>[0], classes: readonly ClassCount[]) {
  const most = classes.length > SHOWN;
  const rows = most ? classes.toSorted((a, b) => a.pictures - b.pictures).slice(0, SHOWN) : classes;
  const lines = tableLines(io, classTable(rows));
  return most
    ? [
        ...lines,
        `These are the ${SHOWN} classes with the fewest pictures, of ${count(classes.length, 'class', 'classes')}; --json lists all.`,
      ]
    : lines;
}

function classTable(rows: readonly ClassCount[]): Table<ClassCount> {
  const splits = SPLITS.filter((split) => rows.some((row) => row[split] > 0));
  return {
    rows,
    columns: [
      { title: 'Class', value: ({ name }) => name },
      ...(rows.some(({ id, name }) => id !== name)
        ? [{ title: 'Id', value: ({ id }: ClassCount) => id }]
        : []),
      ...['pictures' as const, ...splits].map((column) => ({
        title: column === 'pictures' ? 'Pictures' : column,
        value: (row: ClassCount) => number(row[column]),
        align: 'right' as const,
      })),
    ],
  };
}
