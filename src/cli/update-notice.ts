import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../store/atomic.ts';
import { homeFolder } from '../store/home.ts';
import { latestVersion } from '../store/npm.ts';
import { version } from '../version.ts';

const DAY = 24 * 60 * 60 * 1000;
const PATIENCE = 1000;

const Known = z.object({ asked: z.number(), latest: z.string().optional() });

/**
 * A line about a newer version, or undefined if there is none. The registry is asked at most once a day and has one second to answer.
 * Failures also give undefined.
 */
export async function updateNotice({
  now = Date.now(),
  ask = askRegistry,
}: {
  now?: number;
  ask?: (signal: AbortSignal) => Promise<string | undefined>;
} = {}): Promise<string | undefined> {
  const file = join(homeFolder(), 'newest-version.json');
  try {
    let known = await readFile(file, 'utf8').then(
      (text) => Known.parse(JSON.parse(text)),
      () => undefined,
    );
    if (!known || Math.abs(now - known.asked) > DAY) {
      const latest = await inTime(ask).catch(() => undefined);
      known = { asked: now, latest: latest ?? known?.latest };
      await writeFileAtomic(file, JSON.stringify(known));
    }
    return known.latest && isNewer(known.latest, version)
      ? `Version ${known.latest} of tip-adapter is out (this is ${version}): npm install tip-adapter@latest`
      : undefined;
  } catch {
    return undefined;
  }
}

const askRegistry = (signal: AbortSignal) => latestVersion('tip-adapter', { signal });

/** `fetch` may react late to its signal while it waits for a name server. */
async function inTime<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE);
  return Promise.race([
    ask(signal),
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  ]);
}

function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => text.split('.').map(Number));
  const at = a!.findIndex((part, i) => part !== b![i]);
  return at >= 0 && a![at]! > b![at]!;
}
