import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { machineLine } from '../bench/measure.ts';
import { runMutants } from './mutants.ts';
import type { Report } from './serving.ts';
import { SUBJECTS } from './subjects.ts';

interface Options {
  readonly rounds?: number;
  readonly seed: number;
  readonly only?: number;
  readonly subject?: string;
}

interface Entry {
  readonly about: string;
  run(options: Options): Promise<Report>;
}

const MUTANTS = 10_000;
const KILLS = 200;
const REQUESTS = 100_000;

const mutants = (name: string, about: string): Entry => ({
  about: `Changed ${about}; ${MUTANTS} mutants.`,
  run: ({ rounds = MUTANTS, seed, only }) =>
    runMutants(name, new URL(`${name}.ts`, import.meta.url), { rounds, seed, only }),
});

const campaigns: Readonly<Record<string, Entry>> = {
  classifier: mutants('classifier', 'classifier files of every method, under a checksum that fits'),
  zips: mutants('zips', 'zip files of pictures'),
  pictures: mutants('pictures', 'pictures of all formats'),
  tables: mutants('tables', 'CSV and JSON tables of pictures'),
  configurations: mutants(
    'configurations',
    'feature folders, split files, sessions, records, checkpoints and caches',
  ),
  encoders: mutants('encoders', 'encoder folders'),
  kill: {
    about: `kill -9 before and after each write of each subject, then at ${KILLS} random moments.`,
    run: async ({ rounds = KILLS, ...options }) =>
      (await import('./kill.ts')).runKills({ rounds, ...options }),
  },
  syscalls: {
    about:
      'Each system call on the files of each subject fails once with EIO and once with ENOSPC (needs strace).',
    run: async (options) => (await import('./syscalls.ts')).runSyscalls(options),
  },
  overload: {
    about: 'Ten times the load that a server can serve, for a minute.',
    run: async () => (await import('./serving.ts')).runOverload(),
  },
  endurance: {
    about: `${REQUESTS} requests to one server.`,
    run: async ({ rounds = REQUESTS }) => (await import('./serving.ts')).runEndurance({ rounds }),
  },
  scale: {
    about:
      'Runs of 200 shards while workers, Redis, the network, the store and clocks fail (needs redis-server).',
    run: async (options) => (await import('./scale.ts')).runScale(options),
  },
  hostile: {
    about: 'Clients that break the protocol, while a polite client asks.',
    run: async (options) => (await import('./hostile.ts')).runHostile(options),
  },
};

const USAGE = `npm run faults [-- <campaign>... --rounds <n> --seed <n> --only <n> --subject <name>]

Without a campaign, all of them run. The exit code is 1 if a fault was found.

${Object.entries(campaigns)
  .map(([name, { about }]) => `  ${name.padEnd(16)}${about}`)
  .join('\n')}

  --rounds <n>      Mutants, random kills, failing calls for each subject, or requests.
  --seed <n>        Seed of the campaign (default 1).
  --only <n>        Run one mutant, print all about it and keep its files.
  --subject <name>  Kill, or let the calls fail, in one subject: ${Object.keys(SUBJECTS).join('; ')}.`;

function refuse(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    subject: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit();
}
const unknown = positionals.find((name) => !Object.hasOwn(campaigns, name));
if (unknown !== undefined) refuse(`There is no campaign "${unknown}".`);
const { subject } = values;
if (subject !== undefined && !Object.hasOwn(SUBJECTS, subject)) refuse(`There is no subject "${subject}".`);
console.log(machineLine(availableParallelism()));
const number = (text?: string) => (text === undefined ? undefined : Number(text));
const options = {
  rounds: number(values.rounds),
  seed: number(values.seed) ?? 1,
  only: number(values.only),
  subject,
};
for (const name of positionals.length > 0 ? positionals : Object.keys(campaigns)) {
  const { lines, faults } = await campaigns[name]!.run(options);
  if (lines.length > 0) console.log(`\n${lines.join('\n')}`);
  if (faults > 0) process.exitCode = 1;
}
