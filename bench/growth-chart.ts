import { html } from '../src/report/html.ts';
import { LIGHT } from '../src/report/theme.ts';

/** A curve of time and memory. */
export interface Growth {
  readonly title: string;
  readonly time: string;
  /** Milliseconds, and the peak of resident memory of the process in MiB. */
  readonly points: readonly { readonly value: number; readonly ms: number; readonly mib: number }[];
}

const [WIDTH, HEIGHT, LEFT, TOP, GAP] = [300, 190, 58, 34, 46];

/** Panels of time and memory in two columns, with logarithmic axes. The dashed line is growth in proportion. */
export function growthChart(curves: readonly Growth[]): string {
  const [width, height] = [2 * (WIDTH + LEFT + GAP), curves.length * (HEIGHT + TOP + GAP)];
  const panels = curves.flatMap((curve, i) => [
    panel(curve, 'ms', 0, i * (HEIGHT + TOP + GAP)),
    panel(curve, 'mib', WIDTH + LEFT + GAP, i * (HEIGHT + TOP + GAP)),
  ]);
  return `${html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Time and memory against keys, classes, numbers of a feature, shots and pictures">
<rect width="${width}" height="${height}" fill="${LIGHT.card}"/>
${panels}</svg>`}\n`;
}

function panel({ title, time, points }: Growth, unit: 'ms' | 'mib', left: number, top: number) {
  const [across, up] = [axis(points.map(({ value }) => value)), axis(points.map((point) => point[unit]))];
  const x = (value: number) => left + LEFT + WIDTH * across.at(value);
  const y = (value: number) => top + TOP + HEIGHT * (1 - up.at(value));
  const line = points.map(
    (point, i) => `${i === 0 ? 'M' : 'L'}${x(point.value).toFixed(1)} ${y(point[unit]).toFixed(1)}`,
  );
  // Proportional growth from the last point back.
  const last = points.at(-1)!;
  const reach = Math.min(last[unit] / up.low, last.value / across.low);
  const heading = unit === 'ms' ? `ms, ${time}` : 'MiB, peak of the process';
  return html`<g><text x="${left + LEFT}" y="${top + 22}" font-weight="600" fill="${LIGHT.ink}">${heading}</text>
${up.ticks.map((tick) => html`<path d="M${left + LEFT} ${y(tick)}h${WIDTH}" stroke="${LIGHT.rule}"/><text x="${left + LEFT - 6}" y="${y(tick) + 4}" text-anchor="end" fill="${LIGHT.muted}">${short(tick)}</text>`)}
${across.ticks.map((tick) => html`<text x="${x(tick)}" y="${top + TOP + HEIGHT + 16}" text-anchor="middle" fill="${LIGHT.muted}">${short(tick)}</text>`)}
<text x="${left + LEFT + WIDTH / 2}" y="${top + TOP + HEIGHT + 33}" text-anchor="middle" fill="${LIGHT.muted}">${title}</text>
<path d="M${x(last.value)} ${y(last[unit])}L${x(last.value / reach)} ${y(last[unit] / reach)}" stroke="${LIGHT.muted}" stroke-dasharray="3 4"/>
<path d="${line.join('')}" fill="none" stroke="${LIGHT.accent}" stroke-width="2"/>
${points.map((point) => html`<circle cx="${x(point.value)}" cy="${y(point[unit])}" r="3.5" fill="${LIGHT.accent}"/>`)}</g>`;
}

/** A logarithmic axis over whole decades. */
function axis(values: readonly number[]) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    low: 10 ** low,
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    at: (value: number) => (Math.log10(value) - low) / (high - low),
  };
}

const short = (value: number) =>
  value < 1 ? String(value) : new Intl.NumberFormat('en', { notation: 'compact' }).format(value);
