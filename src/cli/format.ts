/** A number of bytes in decimal units: `606 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  const [unit, size] = [['GB', 1e9] as const, ['MB', 1e6] as const, ['KB', 1e3] as const].find(
    ([, least]) => value >= least,
  ) as readonly [string, number];
  const scaled = value / size;
  return `${scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${unit}`;
}

/** The program's name as its user types it. A package that npm started, by `npx` or by a script, may have no command of its own on the path. */
export const programName = (): string =>
  process.env.npm_command === undefined ? 'tip-adapter' : 'npx tip-adapter';

/** A text as one word for a shell. */
export const shellWord = (text: string) => (/^[\w./-]+$/.test(text) ? text : `"${text}"`);

/** A duration in one unit: `12 s`, `3 min`. */
export function clock(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
