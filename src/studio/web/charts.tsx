import { ALPHA, BETA, place, valueAt } from '../scales.ts';
import type { CheckReport, SearchMap } from './api.ts';
import { messages, percent } from './messages.ts';

const WIDTH = 320;
const HEIGHT = 170;
const LEFT = 50;
const TOP = 16;
const BOTTOM = 36;
const RIGHT = 20;

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

/** Least value at the top of the loss axis, for a loss that is nearly 0. */
const LEAST_LOSS = 0.001;
const LARGEST = 12;

/** Accuracy against confidence. On the diagonal, the classifier is calibrated. */
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
      {[0, 0.5, 1].map((share) => (
        <text key={share} class="axis" x={across(share)} y={HEIGHT - 22} text-anchor="middle">
          {percent(share)}
        </text>
      ))}
      <text class="axis" x={across(0.5)} y={HEIGHT - 6} text-anchor="middle">
        {m.honestAxisX}
      </text>
      <text class="axis" transform={`translate(13 ${up(0.5)}) rotate(-90)`} text-anchor="middle">
        {m.honestAxisY}
      </text>
    </svg>
  );
}

/** Training loss, step by step, from the largest down to 0. */
export function LossCurve({ losses, label }: { losses: readonly number[]; label: string }) {
  const most = Math.max(...losses, LEAST_LOSS);
  const x = (i: number) => across(i / Math.max(1, losses.length - 1));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      {[0, 0.5, 1].map((share) => (
        <g key={share}>
          <path class="grid" d={`M${across(0)} ${up(share)}H${across(1)}`} />
          <text class="axis" x={LEFT - 6} y={up(share) + 4} text-anchor="end">
            {(share * most).toPrecision(2)}
          </text>
        </g>
      ))}
      <path class="line" d={path(losses.map((loss, i) => [x(i), up(loss / most)]))} />
      <text class="axis" x={across(0.5)} y={HEIGHT - 12} text-anchor="middle">
        {messages.value.teach.steps(losses.length)}
      </text>
    </svg>
  );
}

/** Accuracy after each epoch of a training. */
export function EpochCurve({ shares, label }: { shares: readonly number[]; label: string }) {
  const x = (i: number) => across(shares.length === 1 ? 0.5 : i / (shares.length - 1));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <Shares />
      <path class="line" d={path(shares.map((share, i) => [x(i), up(share)]))} />
      {shares.map((share, i) => (
        <circle key={x(i)} class="marker" cx={x(i)} cy={up(share)} r="2.5" />
      ))}
      <text class="axis" x={across(0.5)} y={HEIGHT - 12} text-anchor="middle">
        {label}
      </text>
    </svg>
  );
}

const [SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN] = [84, 22, 3];

/** Shares (0..1) in a row of a table, one for each test; undefined where there is none. */
export function Sparkline({ shares }: { shares: readonly (number | undefined)[] }) {
  const x = (i: number) => SPARK_MARGIN + (i / (shares.length - 1)) * (SPARK_WIDTH - 2 * SPARK_MARGIN);
  const points = shares.flatMap((share, i) =>
    share === undefined
      ? []
      : [[x(i), SPARK_MARGIN + (1 - share) * (SPARK_HEIGHT - 2 * SPARK_MARGIN)] as const],
  );
  const told = shares.map((share) => (share === undefined ? '–' : percent(share))).join(', ');
  return (
    <svg class="spark" viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`} role="img" aria-label={told}>
      <title>{told}</title>
      <path class="line" d={path(points)} />
      {points.slice(-1).map(([cx, cy]) => (
        <circle key="last" class="marker" cx={cx} cy={cy} r="2.5" />
      ))}
    </svg>
  );
}

/**
 * A map of the accuracy on left-out pictures at each pair of constants; darker is higher. A press on the map sets the constants. By
 * keyboard, the sliders above set them.
 */
export function SearchSurface({
  map: { alphas, betas, recognised },
  tuned,
  now,
  label,
  onPick,
}: {
  map: SearchMap;
  tuned: { alpha: number; beta: number };
  now: { alpha: number; beta: number };
  label: string;
  onPick(constants: { alpha: number; beta: number }): void;
}) {
  const [least, most] = rangeOf(recognised);
  const y = (alpha: number) => up(place(alpha, ALPHA));
  const x = (beta: number) => across(place(beta, BETA));
  const [wide, high] = [(across(1) - across(0)) / (betas.length - 1), (up(0) - up(1)) / (alphas.length - 1)];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the sliders do the same by keyboard.
    <svg
      class="surface"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={label}
      onClick={({ currentTarget, clientX, clientY }) => {
        const box = currentTarget.getBoundingClientRect();
        const [left, top] = [
          ((clientX - box.left) / box.width) * WIDTH,
          ((clientY - box.top) / box.height) * HEIGHT,
        ];
        onPick({
          alpha: valueAt((up(0) - top) / (up(0) - up(1)), ALPHA),
          beta: valueAt((left - across(0)) / (across(1) - across(0)), BETA),
        });
      }}
    >
      {betas.map((beta, i) =>
        alphas.map((alpha, j) => (
          <rect
            key={`${i} ${j}`}
            x={x(beta) - wide / 2}
            y={y(alpha) - high / 2}
            width={wide + 0.4}
            height={high + 0.4}
            style={{ fillOpacity: 0.06 + (0.84 * (recognised[i]![j]! - least)) / (most - least || 1) }}
          />
        )),
      )}
      <path class="now" d={`M${x(now.beta)} ${up(0)}V${up(1)}M${across(0)} ${y(now.alpha)}H${across(1)}`} />
      <circle class="tuned" cx={x(tuned.beta)} cy={y(tuned.alpha)} r="8" />
      <text class="axis" x={across(0.5)} y={HEIGHT - 6} text-anchor="middle">
        {`β ${BETA[0]} … ${BETA[1]}`}
      </text>
      <text class="axis" transform={`translate(24 ${up(0.5)}) rotate(-90)`} text-anchor="middle">
        {`α ${ALPHA[0]} … ${ALPHA[1]}`}
      </text>
    </svg>
  );
}

/** Smallest and largest value of a map. */
export function rangeOf(recognised: SearchMap['recognised']): [number, number] {
  const all = recognised.flat();
  return [Math.min(...all), Math.max(...all)];
}
