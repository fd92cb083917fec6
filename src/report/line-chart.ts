import { type Html, html } from './html.ts';
import { percent, shareTicks } from './numbers.ts';
import { LIGHT } from './theme.ts';
import type { Curve } from './types.ts';

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 62;
const RIGHT = WIDTH - 14;
const TOP = 16;
const BOTTOM = HEIGHT - 60;
const DASHES = ['', '7 4', '3 3', '10 4 2 4', '14 5', '5 3 1 3'];

/** Outlines of the markers around (0, 0), one for each series style. */
const MARKERS = [
  'M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z',
  'M-4.5 -4.5h9v9h-9z',
  'M0 -6L5.5 4.5H-5.5z',
  'M0 -6.5L6.5 0L0 6.5L-6.5 0z',
  'M0 6L5.5 -4.5H-5.5z',
  'M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4z',
];

/**
 * A chart of accuracy against shots (or against `axis`) with intervals, and a legend in the order of the last values. Shots are evenly spaced.
 * Published curves are dotted, with hollow markers and no intervals.
 */
export function lineChart(curves: readonly Curve[], axis = 'examples per class (shots)'): Html {
  const shots = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.shots)))].sort(
    (a, b) => a - b,
  );
  const points = curves.flatMap((curve) => curve.points);
  const ticks = shareTicks(
    Math.min(...points.map(({ low }) => low)),
    Math.max(...points.map(({ high }) => high)),
  );
  const [floor, ceiling] = [ticks[0]!, ticks[ticks.length - 1]!];
  const slot = (RIGHT - LEFT) / shots.length;
  const dodge = Math.min(11, (slot * 0.6) / curves.length);
  const x = (shot: number) => LEFT + (shots.indexOf(shot) + 0.5) * slot;
  const y = (share: number) => BOTTOM - ((share - floor) / (ceiling - floor)) * (BOTTOM - TOP);
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${describe(curves)}">
${ticks.map(
  (tick) => html`<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${y(tick)}" y2="${y(tick)}"/>
<text class="quiet" x="${LEFT - 10}" y="${y(tick) + 4}" text-anchor="end">${Math.round(100 * tick)}%</text>`,
)}
${shots.map((shot) => html`<text class="quiet" x="${x(shot)}" y="${BOTTOM + 22}" text-anchor="middle">${shot}</text>`)}
<text class="quiet" x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${axis}</text>
${curves.map((curve, i) => {
  const shift = (i - (curves.length - 1) / 2) * dodge;
  return series(
    curves,
    i,
    [...curve.points]
      .sort((a, b) => a.shots - b.shots)
      .map((point) => ({
        x: x(point.shots) + shift,
        y: y(point.accuracy),
        low: y(point.low),
        high: y(point.high),
      })),
  );
})}</svg>
<ul class="legend">${curves
    .map((curve, i) => ({ name: curve.name, i, last: last(curve) }))
    .sort((a, b) => b.last - a.last)
    .map(
      ({ name, i, last }) =>
        html`<li>${key(curves, i)}<span>${name} <span class="note">${percent(last)}</span></span></li>`,
    )}</ul>`;
}

interface Dot {
  x: number;
  y: number;
  low: number;
  high: number;
}

function series(curves: readonly Curve[], i: number, dots: readonly Dot[]): Html {
  const line = dots.map((dot, j) => `${j === 0 ? 'M' : 'L'}${dot.x.toFixed(1)} ${dot.y.toFixed(1)}`).join('');
  const { style, dash, marker, published } = look(curves, i);
  return html`<g class="${style}">
${!published && dots.map((dot) => html`<path class="whisker" d="M${dot.x} ${dot.low}V${dot.high}m-3 0h6M${dot.x - 3} ${dot.low}h6"/>`)}
<path class="line" d="${line}" stroke-dasharray="${dash}"/>
${dots.map((dot) => html`<path class="marker" transform="translate(${dot.x} ${dot.y})" d="${marker}"/>`)}</g>`;
}

function key(curves: readonly Curve[], i: number): Html {
  const { style, dash, marker } = look(curves, i);
  return html`<svg class="${style}" width="36" height="16" viewBox="0 0 36 16" aria-hidden="true"><path class="line" d="M0 8H36" stroke-dasharray="${dash}"/><path class="marker" transform="translate(18 8)" d="${marker}"/></svg>`;
}

/** Dash pattern of published curves. */
const DOTTED = '1 4';
export const PUBLISHED = ' (published)';

/** Colour, marker and dashes of a curve. A published curve has the colour and marker of the measured curve of the same name. */
function look(curves: readonly Curve[], i: number) {
  const names = [...new Set(curves.map(({ name }) => name.replace(PUBLISHED, '')))];
  const { name, published = false } = curves[i]!;
  const at = names.indexOf(name.replace(PUBLISHED, ''));
  const colours = LIGHT.series.length;
  // When the colours repeat, markers and dashes differ.
  const round = Math.floor(at / colours);
  const series = `series-${at % colours}`;
  return {
    published,
    style: published ? `${series} published` : series,
    dash: published ? DOTTED : DASHES[(at + round) % DASHES.length],
    marker: MARKERS[(at + round) % MARKERS.length],
  };
}

function last({ points }: Curve): number {
  return points.reduce((most, point) => (point.shots >= most.shots ? point : most)).accuracy;
}

function describe(curves: readonly Curve[]): string {
  const ends = curves.map((curve) => `${curve.name} ${percent(last(curve))}`).join('; ');
  return `Line chart of accuracy against examples per class. With the most examples: ${ends}.`;
}
