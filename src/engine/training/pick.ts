import type { Run } from './types.ts';

/** The feeds that a graph takes. */
export function pick<T>(
  { inputs }: Pick<Run, 'inputs'>,
  feeds: Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => inputs.includes(name)));
}
