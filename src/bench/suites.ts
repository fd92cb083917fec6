import type { Located } from '../dataset/locate.ts';
import { ablations } from './ablations.ts';
import { type BenchSource, isImageNet } from './bench-source.ts';
import { COSTS } from './published.ts';
import type { TablePlan } from './table-plan.ts';
import { type Choices, encoderTables, meanTables, shotsTable } from './tables.ts';
import { baseToNewTables, domainTables, unbalancedTables } from './transfer.ts';

/** A table or figure, or a further protocol of the field: which data, and what is done with it. */
export interface Suite {
  /** One line for people: what it regenerates. */
  readonly about: string;
  /** Ids of the data sets it is about, the first to learn from; without them it is about whatever is given. */
  readonly datasets?: readonly string[];
  /** Of those, the ones that serve only as test sets. */
  readonly testOnly?: readonly string[];
  readonly methods?: readonly string[];
  readonly shots?: readonly number[];
  /** For pictures. */
  readonly encoders?: readonly string[];
  /** Methods and numbers of shots are the published ones, whatever is asked for. */
  readonly closed?: true;
  /** Columns are something other than shots, of which there is one number. */
  readonly oneShots?: true;
  plan(sources: readonly BenchSource[], choices: Choices): TablePlan[];
}

/** The methods that the paper compares, and what `fit` takes by itself. */
const PAPER = [
  'zero-shot',
  'linear-probe',
  'coop',
  'clip-adapter',
  'tip-adapter',
  'tip-adapter-f',
  'auto',
] as const;
const SHOTS = [1, 2, 4, 8, 16];
const TEN = [
  'caltech101',
  'pets',
  'cars',
  'flowers',
  'food101',
  'fgvc',
  'sun397',
  'dtd',
  'eurosat',
  'ucf101',
];

export const SUITES = {
  table1: {
    about: 'ImageNet, 16 shots: accuracy, epochs, training time, inference time, memory.',
    datasets: ['imagenet'],
    methods: PAPER,
    shots: [16],
    plan: (sources, choices) =>
      sources.map((source) => {
        const table = shotsTable(source, choices);
        return isImageNet(source) && table.columns.includes('16') ? { ...table, costs: COSTS } : table;
      }),
  },
  table2: {
    about: 'ImageNet, 1 to 16 shots.',
    datasets: ['imagenet'],
    methods: PAPER,
    shots: SHOTS,
    plan: (sources, choices) => sources.map((source) => shotsTable(source, choices)),
  },
  fig4: {
    about: 'ImageNet, 1 to 16 shots, as curves (the numbers of table2).',
    datasets: ['imagenet'],
    methods: PAPER,
    shots: SHOTS,
    plan: (sources, choices) => sources.map((source) => shotsTable(source, choices)),
  },
  fig5: {
    about: 'The ten other data sets, 1 to 16 shots, and the mean over all that are there, ImageNet included.',
    datasets: [...TEN, 'imagenet'],
    methods: PAPER,
    shots: SHOTS,
    plan: (sources, choices) => [
      ...sources.map((source) => shotsTable(source, choices)),
      ...meanTables(sources, choices),
    ],
  },
  table3: {
    about: 'ImageNet, 16 shots, with four encoders.',
    datasets: ['imagenet'],
    methods: PAPER,
    shots: [16],
    encoders: ['clip-rn50', 'clip-rn101', 'clip-vit-b32', 'clip-vit-b16'],
    oneShots: true,
    plan: encoderTables,
  },
  ablations: {
    about: 'ImageNet, 16 shots: alpha, beta, size of the cache, more shots, prompts, trained modules.',
    datasets: ['imagenet'],
    shots: [16, 32, 64, 128],
    closed: true,
    plan: (sources, choices) => sources.flatMap((source) => ablations(source, choices)),
  },
  domain: {
    about:
      'Learned from ImageNet, evaluated on its V2 and Sketch; or learned from the first data set given, evaluated on the others.',
    datasets: ['imagenet', 'imagenet-v2', 'imagenet-sketch'],
    testOnly: ['imagenet-v2', 'imagenet-sketch'],
    methods: PAPER,
    shots: [16],
    oneShots: true,
    plan: domainTables,
  },
  'base-to-new': {
    about:
      'Examples of half of the classes; evaluated on these, on the others, and by the harmonic mean of the two.',
    methods: PAPER,
    shots: [16],
    oneShots: true,
    plan: (sources, choices) => sources.flatMap((source) => baseToNewTables(source, choices)),
  },
  unbalanced: {
    about: 'Unevenly many examples of the classes: the rarest has one.',
    methods: PAPER,
    shots: [16],
    oneShots: true,
    plan: (sources, choices) => sources.flatMap((source) => unbalancedTables(source, choices)),
  },
} satisfies Record<string, Suite>;

export type SuiteId = keyof typeof SUITES;
export const SUITE_IDS = Object.keys(SUITES) as SuiteId[];

/** What a suite uses of what was found, and what it lacks, in words. Without any of its own it takes what is given. */
export function pickDatasets(
  { datasets }: Suite,
  located: readonly Located[],
): { picked: readonly Located[]; missing: readonly string[] } {
  if (!datasets) return { picked: located, missing: [] };
  const picked = datasets.flatMap((id) => located.filter(({ known }) => known?.id === id));
  if (picked.length === 0) {
    return {
      picked: located,
      missing: [`${datasets[0]}: not found, so the given data are used instead`],
    };
  }
  const there = new Set(picked.map(({ known }) => known?.id));
  return { picked, missing: datasets.filter((id) => !there.has(id)).map((id) => `${id}: not found`) };
}
