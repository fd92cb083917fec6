import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { machineLine } from '../bench/measure.ts';
import { runMutants } from './mutants.ts';
import type { Report } from './serving.ts';

/** `npm run faults [-- <campaign>… --rounds <n> --seed <n> --only <mutant>]` */
interface Options {
  readonly rounds?: number;
  readonly seed: number;
  readonly only?: number;
}

const MUTANTS = 10_000;
const KILLS = 200;
const REQUESTS = 100_000;

const mutants =
  (name: string) =>
  ({ rounds = MUTANTS, ...options }: Options) =>
    runMutants(name, new URL(`${name}.ts`, import.meta.url), { rounds, ...options });

const campaigns: Readonly<Record<string, (options: Options) => Promise<Report>>> = {
  classifier: mutants('classifier'),
  zips: mutants('zips'),
  pictures: mutants('pictures'),
  tables: mutants('tables'),
  configurations: mutants('configurations'),
  encoders: mutants('encoders'),
  kill: async ({ rounds = KILLS, seed }) => (await import('./kill.ts')).runKills({ rounds, seed }),
  overload: async () => (await import('./serving.ts')).runOverload(),
  endurance: async ({ rounds = REQUESTS }) => (await import('./serving.ts')).runEndurance({ rounds }),
  hostile: async (options) => (await import('./hostile.ts')).runHostile(options),
  syscalls: async (options) => (await import('./syscalls.ts')).runSyscalls(options),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const unknown = positionals.filter((name) => !(name in campaigns));
if (unknown.length > 0) {
  console.error(
    `There is no campaign ${unknown.join(', ')}. The campaigns are ${Object.keys(campaigns).join(', ')}.`,
  );
  process.exit(2);
}
console.log(machineLine(availableParallelism()));
const number = (text?: string) => (text === undefined ? undefined : Number(text));
const options = { rounds: number(values.rounds), seed: number(values.seed) ?? 1, only: number(values.only) };
for (const name of positionals.length > 0 ? positionals : Object.keys(campaigns)) {
  const { lines, faults } = await campaigns[name](options);
  if (lines.length > 0) console.log(`\n${lines.join('\n')}`);
  if (faults > 0) process.exitCode = 1;
}
