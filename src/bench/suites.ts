import type { Located } from '../dataset/locate.ts';
import { ablations } from './ablations.ts';
import type { BenchProtocol, CellSettings } from './cell.ts';
import type { Part, TablePlan, Trial } from './plan.ts';
import {
  BACKBONES,
  COSTS,
  DOMAINS,
  ELEVEN_MEAN,
  ELEVEN_MEAN_B16,
  IMAGENET_SHOTS,
  type Published,
} from './published.ts';
import { WITHOUT_EXAMPLES } from './run.ts';
import type { BenchSource } from './source.ts';
import { alsoJudgedOn, baseToNew, sharedRows, unbalanced } from './variations.ts';

/** What a person chose, or what the suite chooses. */
export interface Choices {
  readonly methods: readonly string[];
  readonly shots: readonly number[];
  readonly protocol: BenchProtocol;
  readonly rejection?: boolean;
}

/** A table or figure, or a further protocol of the field: which data, and what is done with it. */
export interface Suite {
  /** One line for people: what it regenerates. */
  readonly about: string;
  /** Ids of the data sets it is about, the first to learn from; without them it is about whatever is given. */
  readonly datasets?: readonly string[];
  /** Of those, the ones that are only judged by. */
  readonly testOnly?: readonly string[];
  readonly methods?: readonly string[];
  readonly shots?: readonly number[];
  /** For pictures. */
  readonly encoders?: readonly string[];
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
    plan: encoderTables,
  },
  ablations: {
    about: 'ImageNet, 16 shots: alpha, beta, size of the cache, more shots, prompts, trained modules.',
    datasets: ['imagenet'],
    shots: [16, 32, 64, 128],
    plan: (sources, { protocol }) => sources.flatMap((source) => ablations(source, protocol)),
  },
  domain: {
    about:
      'Learnt from ImageNet, judged on its V2 and Sketch; or from the first data set given, judged on the others.',
    datasets: ['imagenet', 'imagenet-v2', 'imagenet-sketch'],
    testOnly: ['imagenet-v2', 'imagenet-sketch'],
    methods: PAPER,
    shots: [16],
    plan: domainTables,
  },
  'base-to-new': {
    about:
      'Examples of half of the classes; judged on them, on the others, and by the harmonic mean of the two.',
    methods: PAPER,
    shots: [16],
    plan: (sources, choices) => sources.flatMap((source) => baseToNewTables(source, choices)),
  },
  unbalanced: {
    about: 'Unevenly many examples of the classes: the rarest has one.',
    methods: PAPER,
    shots: [16],
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
      missing: [`${datasets[0]}: not found, so this is about the data given instead`],
    };
  }
  const there = new Set(picked.map(({ known }) => known?.id));
  return { picked, missing: datasets.filter((id) => !there.has(id)).map((id) => `${id}: not found`) };
}

/** Methods by shots: the table of a benchmark without a suite. */
export function shotsTable(source: BenchSource, choices: Choices): TablePlan {
  const had = choices.shots.filter((k) => source.has(k));
  const shots = had.length > 0 ? had : [largestShots(source, Math.max(...choices.shots))];
  const beyond = choices.shots.filter((k) => !shots.includes(k));
  const why = had.length > 0 ? 'no class has so many, or there is no such draw' : `not there; ${shots} taken`;
  return {
    ...described(source, choices),
    axis: 'shots',
    columns: shots.map(String),
    trials: choices.methods.flatMap((method) =>
      shots.map((k) =>
        trial(method, String(k), partOf(source, choices, method, shotsOf(source, method, k, shots))),
      ),
    ),
    ...(isImageNet(source) && { published: IMAGENET_SHOTS }),
    missing: absent(beyond, why),
  };
}

function partOf(source: BenchSource, { protocol, rejection }: Choices, method: string, shots: number): Part {
  const settings: Omit<CellSettings, 'seed'> = { method, shots, protocol, ...(rejection && { rejection }) };
  return { source, settings };
}

function absent(shots: readonly number[], why: string): string[] {
  return shots.length > 0 ? [`${shots.join(', ')} shots: ${why}`] : [];
}

/** A number of shots changes nothing for a method that looks at no example, where it is judged by the same rows. */
function shotsOf({ judgedByDraw }: BenchSource, method: string, k: number, all: readonly number[]): number {
  return WITHOUT_EXAMPLES.includes(method) && !judgedByDraw ? all[0] : k;
}

function trial(row: string, column: string, ...parts: readonly Part[]): Trial {
  return { row, column, parts };
}

const TUNED_ON: Readonly<Record<BenchProtocol, string>> = {
  folds: 'tuned by folds of the examples alone',
  val: 'tuned on the validation split',
  min4: 'tuned on at most four validation rows a class',
  paper: 'tuned on the reported rows, as published: optimistic',
  fixed: 'not tuned',
};

/** Title of a source's table, and what its numbers were judged and tuned on. */
export function described(
  { name, classes, encoder, how, seeded }: BenchSource,
  { protocol }: Pick<Choices, 'protocol'>,
): Pick<TablePlan, 'title' | 'how'> {
  const draw = seeded ? '' : ' One draw of examples.';
  return {
    title: `${name}: ${classes.length} classes, ${encoder}`,
    how: `Judged on ${how}; ${TUNED_ON[protocol]}.${draw}`,
  };
}

function isImageNet({ known }: BenchSource): boolean {
  return known?.id === 'imagenet';
}

/** The mean over data sets, for each encoder; only numbers of shots that every one of them has. */
function meanTables(sources: readonly BenchSource[], choices: Choices): TablePlan[] {
  return [...new Set(sources.map(({ encoder }) => encoder))].flatMap((encoder) => {
    const own = sources.filter((source) => source.encoder === encoder);
    const shots = choices.shots.filter((k) => own.every((source) => source.has(k)));
    if (own.length < 2) return [];
    const names = own.map(({ name }) => name).join(', ');
    return [
      {
        title: `Mean over ${own.length} data sets, ${encoder}`,
        how: `${names}; ${TUNED_ON[choices.protocol]}. Published means are over all eleven.`,
        axis: 'shots',
        columns: shots.map(String),
        trials: choices.methods.flatMap((method) =>
          shots.map((k) =>
            trial(
              method,
              String(k),
              ...own.map((source) => partOf(source, choices, method, shotsOf(source, method, k, shots))),
            ),
          ),
        ),
        published: backbone(encoder) === 'ViT-B/16' ? ELEVEN_MEAN_B16 : ELEVEN_MEAN,
        missing: absent(
          choices.shots.filter((k) => !shots.includes(k)),
          'not in every one of the data sets',
        ),
      },
    ];
  });
}

/** The paper's name of an encoder, however a model or a dump calls it. */
function backbone(encoder: string): string {
  const plain = encoder.toLowerCase().replace(/[^a-z0-9]/g, '');
  const names = {
    RN50x16: 'RN50x16',
    RN101: 'RN101',
    RN50: 'RN50',
    'ViT-B/32': 'vitb32',
    'ViT-B/16': 'vitb16',
  };
  const found = Object.entries(names).find(([, part]) => plain.includes(part.toLowerCase()));
  return found ? found[0] : encoder;
}

/** One table for each data set, its columns the encoders. */
function encoderTables(sources: readonly BenchSource[], choices: Choices): TablePlan[] {
  const names = [...new Set(sources.map(({ name }) => name))];
  return names.map((name) => {
    const own = sources.filter((source) => source.name === name);
    const most = Math.max(...choices.shots);
    const shots = own.map((source) => largestShots(source, most));
    const columns = own.map(({ encoder }) => backbone(encoder));
    const wanted = isImageNet(own[0]) ? Object.keys(BACKBONES.rows[0].values) : [];
    return {
      title: `${name}: encoders`,
      how: `Judged on ${own[0].how}; ${TUNED_ON[choices.protocol]}.`,
      axis: 'encoder',
      columns: [...columns, ...wanted.filter((column) => !columns.includes(column))],
      trials: choices.methods.flatMap((method) =>
        own.map((source, i) => trial(method, columns[i], partOf(source, choices, method, shots[i]))),
      ),
      ...(isImageNet(own[0]) && { published: BACKBONES }),
      missing: [
        ...shots.flatMap((k, i) => (k < most ? [`${most} shots of ${columns[i]}: ${k} instead`] : [])),
        ...wanted
          .filter((column) => !columns.includes(column))
          .map((column) => `${column}: no features of it`),
      ],
    };
  });
}

const USUAL = [1, 2, 4, 8, 16, 32, 64, 128];

/** The number wanted, or the largest usual one below it that the source has. */
export function largestShots(source: BenchSource, wanted: number): number {
  if (source.has(wanted)) return wanted;
  return USUAL.filter((k) => k < wanted && source.has(k)).at(-1) ?? 1;
}

function fewer(source: BenchSource, wanted: number): string[] {
  const shots = largestShots(source, wanted);
  return shots < wanted ? [`${wanted} shots: ${source.name} has ${shots}, which are taken`] : [];
}

function domainTables([source, ...targets]: readonly BenchSource[], choices: Choices): TablePlan[] {
  const fitting = targets.filter(
    (target) => target.dimension === source.dimension && sharedRows(source, target).labels.length > 0,
  );
  const foreign = targets.filter((target) => !fitting.includes(target));
  const shared = alsoJudgedOn(source, fitting);
  const most = Math.max(...choices.shots);
  const shots = largestShots(source, most);
  const columns = [source, ...fitting].map(({ name }) => name);
  const published: Published | undefined = isImageNet(source) ? DOMAINS : undefined;
  return [
    {
      ...described(source, choices),
      title: `Learnt from ${source.name}, ${shots} shots, ${source.encoder}`,
      axis: 'judged on',
      columns,
      trials: choices.methods.flatMap((method) =>
        columns.map((on) => trial(method, on, { ...partOf(shared, choices, method, shots), on })),
      ),
      published,
      missing: [
        ...fewer(source, most),
        ...foreign.map(({ name }) => `${name}: features of another encoder, or no class of ${source.name}`),
        ...fitting.flatMap((target) => {
          const { leftOut } = sharedRows(source, target);
          return leftOut > 0
            ? [`${target.name}: ${leftOut} rows of classes that ${source.name} does not have`]
            : [];
        }),
      ],
    },
  ];
}

function baseToNewTables(given: BenchSource, choices: Choices): TablePlan[] {
  const most = Math.max(...choices.shots);
  const shots = largestShots(given, most);
  const source = baseToNew(given);
  const columns = ['base', 'new', 'harmonic mean', 'all'];
  return [
    {
      ...described(source, choices),
      title: `${given.name}: base to new, ${shots} shots, ${given.encoder}`,
      axis: 'classes',
      columns,
      trials: choices.methods.flatMap((method) => {
        const on = (rows: string): Part => ({ ...partOf(source, choices, method, shots), on: rows });
        return [
          trial(method, 'base', on('base')),
          trial(method, 'new', on('new')),
          { ...trial(method, 'harmonic mean', on('base'), on('new')), mean: 'harmonic' as const },
          trial(method, 'all', on('all')),
        ];
      }),
      missing: fewer(given, most),
    },
  ];
}

function unbalancedTables(given: BenchSource, choices: Choices): TablePlan[] {
  const most = Math.max(...choices.shots);
  const shots = largestShots(given, most);
  const source = unbalanced(given);
  const columns = ['rarest third', 'most frequent third', 'all'];
  return [
    {
      ...described(source, choices),
      title: `${given.name}: 1 to ${shots} shots, unevenly, ${given.encoder}`,
      axis: 'classes',
      columns,
      trials: choices.methods.flatMap((method) =>
        columns.map((on) => trial(method, on, { ...partOf(source, choices, method, shots), on })),
      ),
      missing: fewer(given, most),
    },
  ];
}
