import { listMethods, tipAdapter } from '../methods/index.ts';
import type { Option, Options } from '../options.ts';
import type { MethodFacts, OptionFacts } from './status.ts';

/** The methods that the studio offers, with the options that can be set there: those of the command line, from the same tables. */
export const methodFacts = (): MethodFacts[] =>
  listMethods()
    // The studio has one prompt for each class.
    .filter(({ needs }) => !needs.includes('several-prompts'))
    .map(({ id, name, paper, needs, trains, options }) => ({
      id,
      name,
      paper,
      opensText: needs.includes('text-tower'),
      projects: needs.includes('projection'),
      readsText: needs.includes('text'),
      trains: trains === true,
      // Tip-Adapter's own are set by the sliders.
      options: id === tipAdapter.id ? [] : optionFacts(options),
    }));

const optionFacts = (options: Options): OptionFacts[] =>
  Object.entries(options)
    .filter(([, { hidden, repeatable }]) => !hidden && !repeatable)
    .map(([name, option]) => ({ name, help: option.help, kind: kindOf(option), choices: option.choices }));

function kindOf({ value, choices }: Option): OptionFacts['kind'] {
  if (choices) return 'choice';
  if (value === undefined) return 'flag';
  return value === '<text>' ? 'text' : 'number';
}
