import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { machineLine, median } from './measure.ts';

/** The committed ratios. */
const COMMITTED = join(import.meta.dirname, 'ratios.json');
/** Parts with guarded ratios, each of which takes at most about a minute. */
const PARTS = ['score', 'step', 'search', 'encode', 'start'];
const RUNS = 5;

const spread = z.object({ median: z.number(), least: z.number(), most: z.number() });
const committedRatios = z.object({ machine: z.string(), ratios: z.record(z.string(), spread) });

type Spread = z.infer<typeof spread>;

/**
 * Compares ratios of times (never times themselves) with the committed ones, five runs each. A ratio is worse if the least of its five runs is
 * above the largest committed one. `--write` replaces the committed ratios. Throws if a ratio is worse or missing.
 */
export async function benchGuard(args: readonly string[]): Promise<string[]> {
  const now = await measured();
  if (args.includes('--write')) {
    const content = { machine: machineLine(availableParallelism()), ratios: now };
    writeFileSync(COMMITTED, `${JSON.stringify(content, null, 2)}\n`);
    return [`Wrote ${Object.keys(now).length} ratios to ${COMMITTED}`];
  }
  const { machine, ratios: before } = committedRatios.parse(JSON.parse(readFileSync(COMMITTED, 'utf8')));
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const rows = names.map((name) => ({ name, before: before[name], now: now[name] }));
  const lines = [
    `Ratios, median (least–most) of ${RUNS} runs; committed ones measured on ${machine}`,
    ...rows.map(({ name, before, now }) => `  ${name}: ${shown(now)}, committed ${shown(before)}`),
  ];
  const failing = rows.filter(({ before, now }) => before && !(now && now.least <= before.most));
  if (failing.length === 0) return [...lines, 'No ratio is worse by more than the noise.'];
  throw new Error(
    [
      ...lines,
      `Worse by more than the noise, or missing: ${failing.map(({ name }) => name).join('; ')}`,
    ].join('\n'),
  );
}

/** Runs the parts in turn, each in a process of its own. */
async function measured(): Promise<Record<string, Spread>> {
  const folder = mkdtempSync(join(tmpdir(), 'guard-'));
  const file = join(folder, 'ratios.json');
  const all = new Map<string, number[]>();
  const [main, env] = [process.argv[1]!, { ...process.env, TIP_ADAPTER_BENCH_GUARDED: file }];
  for (let run = 0; run < RUNS; run++) {
    for (const part of PARTS) {
      const { status } = spawnSync(process.execPath, [...process.execArgv, main, '--part', part], {
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      if (status !== 0) throw new Error(`The part ${part} failed`);
      const own = z.record(z.string(), z.number()).parse(JSON.parse(readFileSync(file, 'utf8')));
      for (const [name, ratio] of Object.entries(own)) all.set(name, [...(all.get(name) ?? []), ratio]);
    }
  }
  rmSync(folder, { recursive: true });
  return Object.fromEntries(
    [...all].map(([name, ratios]) => [
      name,
      {
        median: rounded(median(ratios)),
        least: rounded(Math.min(...ratios)),
        most: rounded(Math.max(...ratios)),
      },
    ]),
  );
}

const rounded = (ratio: number) => Number(ratio.toFixed(3));

function shown(ratios: Spread | undefined): string {
  return ratios ? `${ratios.median} (${ratios.least}–${ratios.most})` : 'none';
}
