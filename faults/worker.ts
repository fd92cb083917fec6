import { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import { TipAdapterError } from '../src/errors.ts';
import { random } from '../src/math/random.ts';
import type { Campaign, Examine, Outcome } from './campaign.ts';

/** The message that starts a worker. */
export interface Job {
  readonly module: string;
  readonly folder: string;
  readonly scratch: string;
  readonly seed: string;
}

/** A message of a worker: it is ready, or the outcome of a mutant. */
export type Told = { readonly ready: true } | Verdict;

export interface Verdict {
  readonly index: number;
  readonly outcome: Outcome;
  /** The code of a named error, or the text of another error. */
  readonly what?: string;
  /** Peak resident memory of the process in MiB, if the system reports it. */
  readonly peak?: number;
}

async function examineOne(examine: Examine, seed: string, index: number): Promise<Omit<Verdict, 'index'>> {
  try {
    await examine(random('faults', seed, index));
    return { outcome: 'right' };
  } catch (error) {
    if (error instanceof AssertionError) return { outcome: 'wrong', what: error.stack };
    // Unexpected errors have the code `unexpected`. Interruptions do not occur here.
    const named = error instanceof TipAdapterError && error.exitCode > 1 && error.code !== 'interrupted';
    if (named) return { outcome: 'named error', what: error.code };
    return { outcome: 'unnamed error', what: error instanceof Error ? error.stack : String(error) };
  }
}

function peakMemory(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
}

const say = (told: Told) => process.send?.(told);

process.once('message', async ({ module, folder, scratch, seed }: Job) => {
  const { campaign } = (await import(module)) as { campaign: Campaign };
  const examine = await campaign.open(folder, scratch);
  process.on('message', async (index: number) => {
    say({ index, ...(await examineOne(examine, seed, index)), peak: peakMemory() });
  });
  say({ ready: true });
});
process.on('disconnect', () => process.exit());
