interface Point {
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
}

/** Half the width of an interval in which a curve counts as flat. */
const NARROW = 0.05;

/**
 * What the end of a learning curve shows: the accuracy `rises` if its last interval lies above the point before; it is `flat` if the interval
 * is narrow; otherwise the curve is `unclear`, because it was measured on too few pictures.
 */
export function curveTrend(curve: readonly Point[]): 'rises' | 'flat' | 'unclear' {
  const [before, last] = curve.slice(-2) as [Point, Point];
  if (last.low > before.accuracy) return 'rises';
  return (last.high - last.low) / 2 <= NARROW ? 'flat' : 'unclear';
}
