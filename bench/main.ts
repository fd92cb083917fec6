import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { machineLine, writeGuarded } from './measure.ts';

/**
 * `npm run bench [-- score …]`. Each part prints its measurements and the machine. Each part runs in its own process, so that memory and
 * threads of one part do not affect another.
 */
const parts: Record<string, (args: string[]) => Promise<string[]>> = {
  score: async () => (await import('./score.ts')).benchScore(),
  encode: async () => (await import('./encode.ts')).benchEncode(),
  memory: async () => (await import('./memory.ts')).benchMemory(),
  start: async () => (await import('./start.ts')).benchStart(),
  views: async () => (await import('./views.ts')).benchViews(),
  step: async () => (await import('./step.ts')).benchStep(),
  fit: async () => (await import('./whole-fit.ts')).benchWholeFit(),
  search: async () => (await import('./search.ts')).benchSearch(),
  keys: async ([what, path, keys]) => {
    const { benchKeys, keysPart } = await import('./keys.ts');
    return what ? keysPart(what, path!, keys as 'int8' | 'half') : benchKeys();
  },
  loading: async () => (await import('./loading.ts')).benchLoading(),
  clip: async () => (await import('./clip.ts')).benchClip(),
  int8: async () => (await import('./int8.ts')).benchInt8(),
  coop: async () => (await import('./coop.ts')).benchCoop(),
  auto: async () => (await import('./auto.ts')).benchAuto(),
  adaptation: async () => (await import('./adaptation.ts')).benchAdaptation(),
  'one-shot': async () => (await import('./one-shot.ts')).benchOneShot(),
  linalg: async () => (await import('./linalg.ts')).benchLinalg(),
  studio: async () => (await import('./studio.ts')).benchStudio(),
  serving: async () => (await import('./server.ts')).benchServing(),
  overload: async () => (await import('./server.ts')).benchOverload(),
  endurance: async () => (await import('./server.ts')).benchEndurance(),
  summary: async ([what, folder]) => {
    const { benchSummary, summaryPart } = await import('./summary.ts');
    return what ? summaryPart(what, folder!) : benchSummary();
  },
  'scale-queue': async () => (await import('./queue-limits.ts')).benchQueueLimits(),
  'scale-workers': async () => (await import('./scale.ts')).benchScale(),
  photos: async () => (await import('./photos.ts')).benchPhotos(),
  guard: async (args) => (await import('./guard.ts')).benchGuard(args),
  growth: async (args) => {
    const { benchGrowth, growthPart } = await import('./growth.ts');
    const [what, value] = args;
    return value ? growthPart(what!, value) : benchGrowth(args);
  },
  joined: async () => (await import('./joined.ts')).benchJoined(),
  families: async (args) => (await import('./families.ts')).benchFamilies(args),
  reading: async ([source]) => {
    const { benchReading, readingPart } = await import('./reading.ts');
    return source ? readingPart(source) : benchReading();
  },
};

/** The flags of the parts that have some. */
const flagsOf: Record<string, () => Promise<readonly string[]>> = {
  guard: async () => ['--write'],
  growth: async () => ['--write'],
  families: async () => (await import('./families.ts')).FLAGS,
};

/** Several parts under one name. */
const groups: Record<string, readonly string[]> = {
  server: ['serving', 'overload', 'endurance'],
  scale: ['scale-workers', 'scale-queue'],
  engine: ['step', 'fit', 'search', 'score', 'keys', 'clip'],
};

const [first, ...rest] = process.argv.slice(2);
if (first === '--part') {
  console.log((await parts[rest[0]!]!(rest.slice(1))).join('\n'));
  writeGuarded(process.env.TIP_ADAPTER_BENCH_GUARDED);
} else {
  const flags = process.argv.slice(2).filter((word) => word.startsWith('--'));
  const asked = process.argv
    .slice(2)
    .filter((word) => !word.startsWith('--'))
    .flatMap((name) => groups[name]?.filter((part) => part in parts) ?? [name]);
  const unknown = asked.filter((name) => !(name in parts));
  if (unknown.length > 0) {
    console.error(
      `There is no benchmark ${unknown.join(', ')}; there are ${Object.keys({ ...parts, ...groups }).join(', ')}.`,
    );
    process.exit(2);
  }
  const chosen = asked.length > 0 ? asked : Object.keys(parts).filter((part) => part !== 'guard');
  const runs: { name: string; known: readonly string[] }[] = [];
  for (const name of chosen) runs.push({ name, known: (await flagsOf[name]?.()) ?? [] });
  const known = new Set(runs.flatMap((run) => run.known));
  const wrong = flags.filter((flag) => !known.has(flag));
  if (wrong.length > 0) {
    console.error(`There is no flag ${wrong.join(', ')} here; there are ${[...known].join(', ') || 'none'}.`);
    process.exit(2);
  }
  console.log(machineLine(availableParallelism()));
  for (const { name, known } of runs) {
    console.log();
    const args = [
      ...process.execArgv,
      process.argv[1]!,
      '--part',
      name,
      ...flags.filter((flag) => known.includes(flag)),
    ];
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}
