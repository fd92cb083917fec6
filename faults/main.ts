import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { machineLine } from '../bench/measure.ts';
import { runMutants } from './mutants.ts';

/** `npm run faults [-- <campaign>… --rounds <n> --seed <n> --only <mutant>]` */
const MUTANTS: Readonly<Record<string, URL>> = {
  classifier: new URL('classifier.ts', import.meta.url),
  zips: new URL('zips.ts', import.meta.url),
  tables: new URL('tables.ts', import.meta.url),
  configurations: new URL('configurations.ts', import.meta.url),
};
const ROUNDS = 10_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const unknown = positionals.filter((name) => !(name in MUTANTS));
if (unknown.length > 0) {
  console.error(
    `There is no campaign ${unknown.join(', ')}. The campaigns are ${Object.keys(MUTANTS).join(', ')}.`,
  );
  process.exit(2);
}
console.log(machineLine(availableParallelism()));
const only = values.only === undefined ? undefined : Number(values.only);
for (const name of positionals.length > 0 ? positionals : Object.keys(MUTANTS)) {
  const options = { rounds: Number(values.rounds ?? ROUNDS), seed: Number(values.seed ?? 1), only };
  const { lines, faults } = await runMutants(name, MUTANTS[name], options);
  console.log(`\n${lines.join('\n')}`);
  if (faults > 0) process.exitCode = 1;
}
