/** A share (0..1) as a percentage with one decimal. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** A probability (0..1) in whole percent. A probability other than 0 and 1 is never rounded to 0% or 100%. */
export function probability(value: number): string {
  if (value > 0.995 && value < 1) return '>99%';
  if (value < 0.005 && value > 0) return '<1%';
  return `${Math.round(100 * value)}%`;
}

/** A duration (seconds) in words. */
export function duration(seconds: number): string {
  if (seconds < 0.995) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** An ISO time as a date in words (UTC); other text is unchanged. */
export function date(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  return time.toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
}

/** Round, evenly spaced shares that enclose `low`..`high`, at least two: the ticks of an axis. */
export function shareTicks(low: number, high: number): number[] {
  const parts = [100, 50, 20, 10, 5].find((candidate) => (high - low) * candidate <= 5) ?? 4;
  const first = Math.min(parts - 1, Math.floor(low * parts + 1e-9));
  const last = Math.max(first + 1, Math.ceil(high * parts - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) / parts);
}
