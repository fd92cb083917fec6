import type { CheckReport, Status } from './api.ts';
import { messages, percent } from './messages.ts';

const WIDTH = 320;
const HEIGHT = 170;
const LEFT = 50;
const TOP = 16;
const BOTTOM = 36;
const RIGHT = 12;

const across = (share: number) => LEFT + share * (WIDTH - LEFT - RIGHT);
const up = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
const path = (points: readonly (readonly [number, number])[]) =>
  points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

function Shares() {
  return (
    <>
      {[0, 0.5, 1].map((share) => (
        <g key={share}>
          <path class="grid" d={`M${across(0)} ${up(share)}H${across(1)}`} />
          <text class="axis" x={LEFT - 6} y={up(share) + 4} text-anchor="end">
            {percent(share)}
          </text>
        </g>
      ))}
    </>
  );
}

/** Accuracy against the number of examples, with intervals. */
export function AccuracyCurve({ points }: { points: CheckReport['curve'] }) {
  const m = messages.value.check;
  const x = (i: number) => across((i + 0.5) / points.length);
  const label = points.map(({ shots, accuracy }) => m.curveText(shots, percent(accuracy))).join('; ');
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <Shares />
      {points.map(({ shots, low, high }, i) => (
        <g key={shots}>
          <path class="whisker" d={`M${x(i)} ${up(low)}V${up(high)}`} />
          <text class="axis" x={x(i)} y={HEIGHT - 20} text-anchor="middle">
            {shots}
          </text>
        </g>
      ))}
      <path class="line" d={path(points.map(({ accuracy }, i) => [x(i), up(accuracy)]))} />
      {points.map(({ shots, accuracy }, i) => (
        <circle key={shots} class="marker" cx={x(i)} cy={up(accuracy)} r="4" />
      ))}
      <text class="axis" x={across(0.5)} y={HEIGHT - 4} text-anchor="middle">
        {m.curveAxis}
      </text>
    </svg>
  );
}

const LARGEST = 12;

/** Stated against actual: on the diagonal it is exactly as sure as it should be. */
export function Reliability({ bins }: { bins: CheckReport['bins'] }) {
  const m = messages.value.check;
  const most = Math.max(...bins.map(({ count }) => count));
  const label = bins
    .map(({ confidence, accuracy, count }) => m.honestText(percent(confidence), percent(accuracy), count))
    .join('; ');
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <Shares />
      <path class="ideal" d={`M${across(0)} ${up(0)}L${across(1)} ${up(1)}`} />
      {bins.map(({ low, confidence, accuracy, count }) => (
        <circle
          key={low}
          class="bubble"
          cx={across(confidence)}
          cy={up(accuracy)}
          r={Math.max(3, LARGEST * Math.sqrt(count / most))}
        />
      ))}
      <text class="axis" x={across(0.5)} y={HEIGHT - 12} text-anchor="middle">
        {m.honestAxisX}
      </text>
      <text class="axis" transform={`translate(9 ${up(0.5)}) rotate(-90)`} text-anchor="middle">
        {m.honestAxisY}
      </text>
    </svg>
  );
}

/** Training loss, point by point. */
export function LossCurve({
  points,
  label,
}: {
  points: NonNullable<Status['teaching']['training']>;
  label: string;
}) {
  const most = Math.max(...points.map(({ loss }) => loss));
  const x = (i: number) => across(i / Math.max(1, points.length - 1));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path class="grid" d={`M${across(0)} ${up(0)}H${across(1)}`} />
      <path class="line" d={path(points.map(({ loss }, i) => [x(i), up(loss / most)]))} />
    </svg>
  );
}

/** The search for the constants: the best weight of the examples at each sharpness; darker is better. */
export function SearchMap({
  surface,
  tuned,
  now,
  label,
}: {
  surface: NonNullable<NonNullable<Status['answering']>['surface']>;
  tuned?: { alpha: number; beta: number };
  now?: { alpha: number; beta: number };
  label: string;
}) {
  const best = Math.min(...surface.map(({ nll }) => nll));
  const worst = Math.max(...surface.map(({ nll }) => nll));
  const y = (alpha: number) => up(place(alpha, ALPHA));
  const x = (beta: number) => across(place(beta, BETA));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path class="grid" d={`M${across(0)} ${up(0)}H${across(1)}M${across(0)} ${up(0)}V${up(1)}`} />
      <path class="ideal" d={path(surface.map(({ alpha, beta }) => [x(beta), y(alpha)]))} />
      {surface.map(({ alpha, beta, nll }) => (
        <circle
          key={beta}
          class="found"
          cx={x(beta)}
          cy={y(alpha)}
          r="5"
          style={{ fillOpacity: 0.15 + 0.85 * ((worst - nll) / (worst - best || 1)) }}
        />
      ))}
      {tuned && <circle class="tuned" cx={x(tuned.beta)} cy={y(tuned.alpha)} r="9" />}
      {now && (
        <path class="now" d={`M${x(now.beta)} ${up(0)}V${up(1)}M${across(0)} ${y(now.alpha)}H${across(1)}`} />
      )}
    </svg>
  );
}

/** Ends of the constants' scales; both are geometric. */
export const ALPHA = [0.01, 100] as const;
export const BETA = [0.5, 100] as const;

/** Where a value lies between the ends of its scale, 0..1. */
export function place(value: number, [low, high]: readonly [number, number]): number {
  const share = Math.log(Math.max(value, low) / low) / Math.log(high / low);
  return Math.min(1, Math.max(0, share));
}

/** The value at a place of its scale. */
export const valueAt = (share: number, [low, high]: readonly [number, number]): number =>
  low * (high / low) ** share;
