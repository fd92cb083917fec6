import { DataError } from '../errors.ts';
import { count } from '../words.ts';

/** A shard that failed for good: its name, and why. */
export interface SetAside {
  readonly name: string;
  readonly reason: string;
}

/** Number of shards that an error names. */
const NAMED = 5;

/** The error of a run some of whose shards failed for good, after all others are done. `hint` says more about how they are tried again. */
export function setAsideError(shards: readonly SetAside[], all: number, hint = ''): DataError {
  const names = shards.slice(0, NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const more = shards.length > NAMED ? `, and ${count(shards.length - NAMED, 'other')}` : '';
  return new DataError(
    `${count(shards.length, 'shard')} of ${all} failed and ${shards.length === 1 ? 'is' : 'are'} left out: ${names.join('; ')}${more}`,
    {
      code: 'queue/set-aside',
      hint: `The other shards are done and kept. The same command tries the failed ones again${hint}.`,
      details: { shards, of: all },
    },
  );
}
