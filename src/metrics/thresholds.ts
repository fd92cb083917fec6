/** A rejection threshold on the confidence, and the shares of pictures of known and unknown classes that it answers or rejects. */
export interface ThresholdPoint {
  /** Answers with a lower confidence are rejected, 0 to 1. */
  readonly threshold: number;
  /** Share of the pictures of known classes that are answered. */
  readonly answered: number;
  /** Share of right answers among them. NaN if none is answered. */
  readonly accuracy: number;
  /** Share of the pictures of unknown classes that are rejected. Absent without such pictures. */
  readonly unknownRejected?: number;
}

/** Confidences of answers to pictures of known classes with their correctness, and to pictures of unknown classes. */
export interface Confidences {
  readonly known: readonly { readonly confidence: number; readonly isRight: boolean }[];
  readonly unknown?: readonly number[];
}

/** Shares of answered pictures for which thresholds are listed. */
const SHARES = [1, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5];

/**
 * The unit of thresholds. It has as many decimals as are shown, so that the shares beside a shown threshold hold for exactly this
 * threshold.
 */
const UNIT = 1e-4;

/** A threshold with few decimals, at most as large as the given one. */
export function roundedThreshold(value: number): number {
  return Number((Math.floor(value / UNIT) * UNIT).toFixed(4));
}

/**
 * The risk-coverage trade-off (Geifman and El-Yaniv, NeurIPS 2017): thresholds that leave given shares of the pictures answered, and those
 * in `also`, ascending.
 */
export function thresholdPoints(confidences: Confidences, also: readonly number[] = []): ThresholdPoint[] {
  const sorted = confidences.known.map(({ confidence }) => confidence).sort((a, b) => a - b);
  const chosen = SHARES.map((share) => {
    const at = Math.floor((1 - share) * sorted.length + 1e-9);
    return share === 1 ? 0 : roundedThreshold(sorted[at] ?? 0);
  });
  return [...new Set([...chosen, ...also])]
    .sort((a, b) => a - b)
    .map((threshold) => pointAt(confidences, threshold));
}

function pointAt({ known, unknown = [] }: Confidences, threshold: number): ThresholdPoint {
  const answered = known.filter(({ confidence }) => confidence >= threshold);
  const rejected = unknown.filter((confidence) => confidence < threshold).length;
  return {
    threshold,
    answered: answered.length / known.length,
    accuracy: answered.filter(({ isRight }) => isRight).length / answered.length,
    ...(unknown.length > 0 && { unknownRejected: rejected / unknown.length }),
  };
}
