import type { Located } from '../dataset/locate.ts';
import { ablations } from './ablations.ts';
import { type BenchSource, isImageNet } from './bench-source.ts';
import { COSTS } from './published.ts';
import type { TablePlan } from './table-plan.ts';
import { type Choices, encoderTables, meanTables, shotsTable } from './tables.ts';
import { baseToNewTables, domainTables, unbalancedTables } from './transfer.ts';

/** A published table or figure, or another protocol from the literature: its data and its tables. */
export interface Suite {
  /** Description in one line. */
  readonly about: string;
  /** Ids of its data sets. The first is learnt from. Absent: the suite uses the given data. */
  readonly datasets?: readonly string[];
  /** Those of the data sets that are only test sets. */
  readonly testOnly?: readonly string[];
  readonly methods?: readonly string[];
  readonly shots?: readonly number[];
  /** Encoders for pictures. */
  readonly encoders?: readonly string[];
  /** Whether methods and numbers of shots are fixed to the published ones. */
  readonly closed?: true;
  /** Whether the columns are not numbers of shots. The suite then has one number of shots. */
  readonly oneShots?: true;
  plan(sources: readonly BenchSource[], choices: Choices): TablePlan[];
}

/** The methods that the paper compares, and the default of `fit`. */
const PAPER = [
  'zero-shot',
  'linear-probe',
  'coop',
  'clip-adapter',
  'tip-adapter',
  'tip-adapter-f',
  'auto',
] as const;
/** Prompts that are learnt so that other classes keep theirs. */
const BASE_TO_NEW = ['cocoop', 'kgcoop'];
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
    about:
      'The ten other data sets, 1 to 16 shots, and the mean over all that are present, including ImageNet.',
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
      'Learned from ImageNet, evaluated on its V2 and Sketch; or learned from the first given data set, evaluated on the others.',
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
    methods: [...PAPER, ...BASE_TO_NEW],
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

/** The data sets that a suite uses from those that were found, and the missing ones. If it finds none of its own, it uses the given data. */
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
