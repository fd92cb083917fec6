import { count, number } from '../words.ts';
import { type Html, html } from './html.ts';
import { percent } from './numbers.ts';
import type { Calibration } from './types.ts';

const SIZE = 300;
const LEFT = 52;
const TOP = 10;
const TICKS = [0, 0.25, 0.5, 0.75, 1];
const LARGEST = 15;

/** Reliability diagram: stated confidence against accuracy; the area of a bubble is the number of pictures in its bin. */
export function reliabilityDiagram(bins: Calibration['bins']): Html {
  const filled = bins.filter((bin) => bin.count > 0);
  const most = Math.max(1, ...filled.map((bin) => bin.count));
  const x = (share: number) => LEFT + share * SIZE;
  const y = (share: number) => TOP + (1 - share) * SIZE;
  const label = `Reliability diagram. ${filled
    .map((bin) => `Stated ${percent(bin.confidence)}, right ${percent(bin.accuracy)} of ${number(bin.count)}`)
    .join('; ')}.`;
  return html`<svg viewBox="0 0 ${LEFT + SIZE + 20} ${TOP + SIZE + 52}" role="img" aria-label="${label}">
${TICKS.map(
  (tick) => html`<path class="grid" d="M${x(0)} ${y(tick)}H${x(1)}M${x(tick)} ${y(0)}V${y(1)}"/>
<text class="quiet" x="${LEFT - 8}" y="${y(tick) + 4}" text-anchor="end">${100 * tick}%</text>
<text class="quiet" x="${x(tick)}" y="${y(0) + 20}" text-anchor="middle">${100 * tick}%</text>`,
)}
<text class="quiet" x="${x(0.5)}" y="${y(0) + 44}" text-anchor="middle">stated probability</text>
<text class="quiet" transform="translate(11 ${y(0.5)}) rotate(-90)" text-anchor="middle">share of right answers</text>
<line class="ideal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}"/>
<text class="quiet" transform="translate(${x(0.17) - 4} ${y(0.17) - 8}) rotate(-45)">stated = right</text>
${filled.map(
  (bin) =>
    html`<circle class="bubble" cx="${x(bin.confidence)}" cy="${y(bin.accuracy)}" r="${Math.max(3, LARGEST * Math.sqrt(bin.count / most)).toFixed(1)}"><title>${count(bin.count, 'picture')}: stated ${percent(bin.confidence)}, right ${percent(bin.accuracy)}</title></circle>`,
)}</svg>`;
}
