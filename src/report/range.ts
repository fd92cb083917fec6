import { type Html, html } from './html.ts';
import { percent } from './numbers.ts';

export interface Range {
  value: number;
  interval: readonly [low: number, high: number];
  /** The shares at the left and the right end of the scale. */
  scale: readonly [from: number, to: number];
  /** A share to mark with a dotted line, such as that of guessing. */
  reference?: number;
}

/** A share as a dot on a line, its interval as a band. */
export function range({ value, interval, scale: [from, to], reference }: Range): Html {
  const at = (share: number) => `${((100 * (share - from)) / (to - from)).toFixed(2)}%`;
  const [low, high] = interval;
  const label = `${percent(value)}, interval ${percent(low)} to ${percent(high)}`;
  return html`<span class="range" role="img" aria-label="${label}">${
    reference !== undefined && html`<u style="left:${at(reference)}"></u>`
  }<i style="left:${at(low)};right:calc(100% - ${at(high)})"></i><b style="left:${at(value)}"></b></span>`;
}
