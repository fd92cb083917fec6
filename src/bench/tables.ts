import { groupBy } from '../dataset/groups.ts';
import { count, plural } from '../words.ts';
import { type BenchSource, isImageNet, searchesValidation } from './bench-source.ts';
import type { BenchProtocol, CellSettings } from './cell.ts';
import { BACKBONES, ELEVEN_MEAN, ELEVEN_MEAN_B16, IMAGENET_SHOTS } from './published.ts';
import { learnsFromExamples } from './run.ts';
import type { Part, TablePlan, Trial } from './table-plan.ts';

/** The settings of a benchmark, from the options or the suite. */
export interface Choices {
  readonly methods: readonly string[];
  readonly shots: readonly number[];
  readonly protocol: BenchProtocol;
  readonly rejection?: boolean;
}

/** Methods by shots: the table of a benchmark without a suite. */
export function shotsTable(source: BenchSource, choices: Choices): TablePlan {
  const had = choices.shots.filter((k) => source.has(k));
  const shots = had.length > 0 ? had : [largestShots(source, Math.max(...choices.shots))];
  const beyond = choices.shots.filter((k) => !shots.includes(k));
  const why =
    had.length > 0
      ? 'no class has so many examples, or there is no such draw'
      : shots[0]! > 0
        ? `not available; ${shots} used instead`
        : 'there are no examples to learn from';
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

export function partOf(
  source: BenchSource,
  { protocol, rejection }: Choices,
  method: string,
  shots: number,
): Part {
  const settings: Omit<CellSettings, 'seed'> = { method, shots, protocol, ...(rejection && { rejection }) };
  return { source, settings };
}

function absent(shots: readonly number[], why: string): string[] {
  return shots.length > 0 ? [`${shots.join(', ')} ${plural(Math.max(...shots), 'shot')}: ${why}`] : [];
}

/** Methods without examples are fitted once for all numbers of shots, if the test rows are the same. */
function shotsOf({ testsByDraw }: BenchSource, method: string, k: number, all: readonly number[]): number {
  return !learnsFromExamples(method) && !testsByDraw ? all[0]! : k;
}

export function trial(row: string, column: string, ...parts: readonly Part[]): Trial {
  return { row, column, parts };
}

const TUNED_ON: Readonly<Record<BenchProtocol, string>> = {
  folds: 'tuned by folds of the examples alone',
  val: 'tuned on the validation split',
  min4: 'tuned on at most four validation rows per class',
  paper: 'tuned on the reported rows as published, which is optimistic',
  fixed: 'not tuned',
};

/** A text about the rows that the constants of a table were chosen on. */
function tunedOn(protocol: BenchProtocol, sources: readonly BenchSource[]): string {
  if (protocol !== 'paper' || !sources.some(searchesValidation)) return TUNED_ON[protocol];
  const where = sources.every(searchesValidation) ? '' : ' where the published code has one';
  return `tuned as published, on the validation split${where}; best epochs were picked on the reported rows, which is optimistic`;
}

/** Title of a source's table, and a text about the rows that its figures were measured and tuned on. */
export function described(
  source: BenchSource,
  { protocol }: Pick<Choices, 'protocol'>,
): Pick<TablePlan, 'title' | 'how'> {
  const { name, classes, encoder, how, seeded } = source;
  const draw = seeded ? '' : ' There is one draw of examples.';
  return {
    title: `${name}: ${count(classes.length, 'class', 'classes')}, ${encoder}`,
    how: `Evaluated on ${how}; ${tunedOn(protocol, [source])}.${draw}`,
  };
}

/** Number of data sets in the published means. */
const ELEVEN = 11;

/** Tables of the mean over data sets, one for each encoder, with the numbers of shots that every data set has. */
export function meanTables(sources: readonly BenchSource[], choices: Choices): TablePlan[] {
  return [...new Set(sources.map(({ encoder }) => encoder))].flatMap((encoder) => {
    const own = sources.filter((source) => source.encoder === encoder);
    const shots = choices.shots.filter((k) => own.every((source) => source.has(k)));
    if (own.length < 2) return [];
    const names = own.map(({ name }) => name).join(', ');
    return [
      {
        title: `Mean over ${count(own.length, 'data set')}, ${encoder}`,
        how: `The data sets are ${names}; ${tunedOn(choices.protocol, own)}.`,
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
        ...(own.length === ELEVEN && {
          published: backbone(encoder) === 'ViT-B/16' ? ELEVEN_MEAN_B16 : ELEVEN_MEAN,
        }),
        missing: [
          ...absent(
            choices.shots.filter((k) => !shots.includes(k)),
            'not available in every data set',
          ),
          ...(own.length === ELEVEN ? [] : ['published means: they are over all eleven data sets']),
        ],
      },
    ];
  });
}

/** The paper's name of an encoder, for any name in a model or a dump. Joined encoders have none. */
function backbone(encoder: string): string {
  if (encoder.includes('+')) return encoder;
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

/** One table for each data set, with encoders as columns. */
export function encoderTables(sources: readonly BenchSource[], choices: Choices): TablePlan[] {
  const most = Math.max(...choices.shots);
  return [...groupBy(sources, ({ name }) => name)].map(([name, own]) => {
    const first = own[0]!;
    const measured = own.map((source) => {
      return { source, column: backbone(source.encoder), shots: largestShots(source, most) };
    });
    const columns = measured.map(({ column }) => column);
    const wanted = isImageNet(first) ? Object.keys(BACKBONES.rows[0]!.values) : [];
    return {
      title: `${name}: encoders`,
      how: `Evaluated on ${first.how}; ${tunedOn(choices.protocol, own)}.`,
      axis: 'encoder',
      columns: [...columns, ...wanted.filter((column) => !columns.includes(column))],
      trials: choices.methods.flatMap((method) =>
        measured.map(({ source, column, shots }) =>
          trial(method, column, partOf(source, choices, method, shots)),
        ),
      ),
      ...(isImageNet(first) && { published: BACKBONES }),
      missing: [
        ...measured.flatMap(({ column, shots }) =>
          shots < most ? [`${count(most, 'shot')} of ${column}: ${shots} used instead`] : [],
        ),
        ...wanted.filter((column) => !columns.includes(column)).map((column) => `${column}: no features`),
      ],
    };
  });
}

/** The wanted number of shots, or the largest below it that the source has. 0 if it has no examples. */
export function largestShots(source: BenchSource, wanted: number): number {
  let shots = wanted;
  while (shots > 0 && !source.has(shots)) shots--;
  return shots;
}

export function fewer(source: BenchSource, wanted: number): string[] {
  const shots = largestShots(source, wanted);
  if (shots === 0) return [`${count(wanted, 'shot')}: ${source.name} has no examples to learn from`];
  return shots < wanted
    ? [
        `${count(wanted, 'shot')}: ${source.name} has ${shots}, which ${plural(shots, 'is', 'are')} used instead`,
      ]
    : [];
}
