import { count, plural } from '../words.ts';
import type { BenchSource } from './bench-source.ts';
import type { CellSettings } from './cell.ts';
import { ALPHAS, BETAS, CACHE_SIZES, MODULES, MORE_SHOTS, PROMPTS, type Published } from './published.ts';
import type { TablePlan, Trial } from './table-plan.ts';
import type { Choices } from './tables.ts';
import { withCacheSize, withOnePrompt } from './variations.ts';

/** The default constants of the paper's ablations. */
const ALPHA = 1;
const BETA = 5.5;

const VARIED = 'tip-adapter';
const TRAINED = 'tip-adapter-f';

/** The paper's ablations (section 4.4) on a source, with 16 shots or the largest available number. */
export function ablations(
  source: BenchSource,
  { protocol, rejection }: Pick<Choices, 'protocol' | 'rejection'>,
): TablePlan[] {
  const shots = [16, 8, 4, 2, 1].find((k) => source.has(k)) ?? 1;
  const table = tableOf(source);
  const at = (change: Partial<CellSettings> = {}) => {
    return { method: VARIED, shots, protocol, ...(rejection && { rejection }), ...change };
  };
  const fixed = (alpha: number, beta: number) => at({ protocol: 'fixed', given: { alpha, beta } });
  const one = withOnePrompt(source);
  const cacheOf = (size: number, of: number) => (size < of ? withCacheSize(source, size) : source);
  return [
    table('alpha', `Beta is ${BETA}, with ${count(shots, 'shot')}; nothing is tuned.`, ALPHAS, (alpha) => [
      { ...row(VARIED, source), settings: fixed(Number(alpha), BETA) },
    ]),
    table('beta', `Alpha is ${ALPHA}, with ${count(shots, 'shot')}; nothing is tuned.`, BETAS, (beta) => [
      { ...row(VARIED, source), settings: fixed(ALPHA, Number(beta)) },
    ]),
    table(
      'cache size',
      `Keys per class, which average ${count(shots, 'example')}; protocol ${protocol}.`,
      CACHE_SIZES,
      (size) => [
        Number(size) === 0
          ? { ...row(VARIED, source), settings: at({ method: 'zero-shot' }) }
          : { ...row(VARIED, cacheOf(Number(size), shots)), settings: at() },
      ],
      (size) =>
        Number(size) > shots
          ? `${count(Number(size), 'key')} per class: there ${plural(shots, 'is', 'are')} only ${count(shots, 'example')}`
          : undefined,
    ),
    table(
      'more shots',
      `More examples, averaged into a cache of 16 keys per class; protocol ${protocol}.`,
      MORE_SHOTS,
      (k) =>
        [VARIED, TRAINED].map((method) => ({
          ...row(method, cacheOf(16, Number(k))),
          settings: at({ method, shots: Number(k) }),
        })),
      (k) => (source.has(Number(k)) ? undefined : `${count(Number(k), 'shot')}: not available`),
    ),
    table(
      'prompts',
      `One prompt per class, or all of them; ${count(shots, 'shot')}, protocol ${protocol}.`,
      PROMPTS,
      (prompts) =>
        ['zero-shot', VARIED, TRAINED].map((method) => ({
          ...row(method, prompts === 'one' && one ? one : source),
          settings: at({ method }),
        })),
      (prompts) =>
        one || prompts === 'all'
          ? undefined
          : 'one prompt against several: the data have one prompt per class',
    ),
    table(
      'trained',
      `The part that Tip-Adapter-F trains; ${count(shots, 'shot')}, protocol ${protocol}.`,
      MODULES,
      (module) => [
        { ...row(TRAINED, source), settings: at({ method: module === 'keys' ? TRAINED : VARIED }) },
      ],
      (module) => (module === 'values' ? 'trained values: no method here trains them' : undefined),
    ),
  ];
}

interface Varied {
  readonly row: string;
  readonly source: BenchSource;
  readonly settings: Omit<CellSettings, 'seed'>;
}

function row(name: string, source: BenchSource): Pick<Varied, 'row' | 'source'> {
  return { row: name, source };
}

/** Makes the table of one ablation with the published columns. `lacks` gives the reason why a column is not available. */
function tableOf(source: BenchSource) {
  return (
    axis: string,
    what: string,
    published: Published,
    rows: (column: string) => readonly Varied[],
    lacks: (column: string) => string | undefined = () => undefined,
  ): TablePlan => {
    const columns = columnsOf(published);
    const possible = columns.filter((column) => lacks(column) === undefined);
    const trials = possible.flatMap((column) =>
      rows(column).map(
        ({ row, source: own, settings }): Trial => ({
          row,
          column,
          parts: [{ source: own, settings }],
        }),
      ),
    );
    const isPapers = source.known?.id === 'imagenet';
    return {
      title: `${source.name}: ${axis}, ${source.encoder}`,
      how: `${what} Evaluated on ${source.how}.`,
      axis,
      columns,
      trials,
      ...(isPapers && { published }),
      missing: columns.flatMap((column) => lacks(column) ?? []),
    };
  };
}

/** The published columns, with numbers in ascending order. */
function columnsOf({ rows }: Published): string[] {
  const columns = Object.keys(rows[0]!.values);
  return columns.every((column) => Number.isFinite(Number(column)))
    ? columns.sort((a, b) => Number(a) - Number(b))
    : columns;
}
