import type { KnownState } from '../../dataset/check-known.ts';
import { DataError, UsageError } from '../../errors.ts';
import { optional, text } from '../../options.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { printJson, tableLines } from '../print.ts';

export const dataCheckCommand = defineCommand({
  args: ['<folder>'],
  options: {
    only: optional(text({ value: '<list>', help: 'Check only these data sets, such as imagenet,dtd.' })),
    json: jsonOption,
  },
  examples: [
    [
      'tip-adapter data check $DATA',
      'Checks the eleven data sets of the paper and two further test sets for ImageNet.',
    ],
    [
      'tip-adapter data check $DATA --only dtd,eurosat',
      'Ends with status 3 if one of the two is not complete.',
    ],
  ],
  async run([folder], { only, json }, io) {
    const { checkKnown } = await import('../../dataset/check-known.ts');
    const states = await checkKnown(folder, { ids: await idsOf(only), signal: io.signal });
    if (json) printJson(io, states);
    else io.print([...tableLines(io, { rows: states, columns: COLUMNS }), ...detailsOf(states)]);
    const lacking = states.filter(({ state }) => state === 'partial' || state === 'absent');
    if (lacking.length === 0) return;
    throw new DataError(`Not complete: ${lacking.map(({ title }) => title).join(', ')}`, {
      code: 'data/incomplete',
      hint: 'Get the missing files from the printed addresses. A benchmark uses the complete data sets and names the others.',
      details: { folder, lacking: lacking.map(({ id }) => id) },
    });
  },
});

async function idsOf(list?: string): Promise<string[] | undefined> {
  const { KNOWN, knownDataset } = await import('../../dataset/known.ts');
  return list?.split(',').map((name) => {
    const known = knownDataset(name);
    if (known) return known.id;
    throw new UsageError(`There is no public data set named "${name}"`, {
      code: 'data/unknown',
      hint: `Known are ${KNOWN.map(({ id }) => id).join(', ')}.`,
    });
  });
}

const NUMBERS = new Intl.NumberFormat('en');
const number = (n?: number) => (n ? NUMBERS.format(n) : '–');

const COLUMNS = [
  { title: 'Data set', value: ({ title }: KnownState) => title },
  { title: 'State', value: ({ state }: KnownState) => state },
  { title: 'Classes', value: ({ classes }: KnownState) => number(classes), align: 'right' as const },
  ...(['train', 'val', 'test'] as const).map((split) => ({
    title: split,
    value: ({ splits }: KnownState) => number(splits[split]),
    align: 'right' as const,
  })),
  { title: 'Folder', value: ({ path }: KnownState) => path },
];

/** The problems of each data set, and where to get its missing files. */
function detailsOf(states: readonly KnownState[]): string[] {
  return states
    .filter(({ problems, get }) => problems.length + get.length > 0)
    .flatMap(({ title, problems, get }) => {
      const lines = [...problems, ...get.map(({ path, from }) => `${path}  from ${from}`)];
      return ['', title, ...lines.map((line) => `  ${line}`)];
    });
}
