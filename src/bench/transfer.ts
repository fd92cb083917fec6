import { methodIfKnown } from '../methods/list.ts';
import { count } from '../words.ts';
import { type BenchSource, isImageNet } from './bench-source.ts';
import { DOMAINS, type Published } from './published.ts';
import { learnsFromExamples } from './run.ts';
import type { Part, TablePlan } from './table-plan.ts';
import { type Choices, described, fewer, largestShots, partOf, trial } from './tables.ts';
import { alsoTestedOn, baseToNew, sharedRows, unbalanced } from './variations.ts';

export function domainTables([source, ...targets]: readonly BenchSource[], choices: Choices): TablePlan[] {
  if (!source) return [];
  const fitting = targets.filter(
    (target) => target.dimension === source.dimension && sharedRows(source, target).labels.length > 0,
  );
  const foreign = targets.filter((target) => !fitting.includes(target));
  const shared = alsoTestedOn(source, fitting);
  const most = Math.max(...choices.shots);
  const shots = largestShots(source, most);
  const columns = [source, ...fitting].map(({ name }) => name);
  const published: Published | undefined = isImageNet(source) ? DOMAINS : undefined;
  return [
    {
      ...described(source, choices),
      title: `Learned from ${source.name}, ${count(shots, 'shot')}, ${source.encoder}`,
      axis: 'test set',
      columns,
      trials: choices.methods.flatMap((method) =>
        columns.map((on) => trial(method, on, { ...partOf(shared, choices, method, shots), on })),
      ),
      published,
      missing: [
        ...fewer(source, most),
        ...foreign.map(
          ({ name, dimension }) =>
            `${name}: ${dimension === source.dimension ? `it has no class of ${source.name}` : 'its features are of another encoder'}`,
        ),
        ...fitting.flatMap((target) => {
          const { leftOut } = sharedRows(source, target);
          return leftOut > 0
            ? [`${target.name}: ${count(leftOut, 'row')} of classes that ${source.name} does not have`]
            : [];
        }),
      ],
    },
  ];
}

export function baseToNewTables(given: BenchSource, choices: Choices): TablePlan[] {
  const most = Math.max(...choices.shots);
  const shots = largestShots(given, most);
  const source = baseToNew(given);
  const columns = ['base', 'new', 'harmonic mean', 'all'];
  return [
    {
      ...described(source, choices),
      title: `${given.name}: base to new, ${count(shots, 'shot')}, ${given.encoder}`,
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

export function unbalancedTables(given: BenchSource, choices: Choices): TablePlan[] {
  const most = Math.max(...choices.shots);
  const shots = largestShots(given, most);
  const source = unbalanced(given);
  const columns = ['rarest third', 'most frequent third', 'all'];
  return [
    {
      ...described(source, choices),
      title: `${given.name}: 1 to ${count(shots, 'shot')}, unbalanced, ${given.encoder}`,
      axis: 'classes',
      columns,
      // Without examples, all classes are equally rare.
      trials: (shots > 0 ? choices.methods : []).flatMap((method) => {
        const { settings } = partOf(source, choices, method, shots);
        const row = (name: string, own: Part['settings']) =>
          columns.map((on) => trial(name, on, { source, settings: own, on }));
        const balances = learnsFromExamples(method) && !methodIfKnown(method)?.trains;
        return [
          ...row(method, settings),
          ...(balances ? row(`${method}, balanced`, { ...settings, balance: true }) : []),
        ];
      }),
      missing: fewer(given, most),
    },
  ];
}
