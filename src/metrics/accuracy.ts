/** Correct answers of one class, or of all. */
export interface Counts {
  readonly correct: number;
  readonly total: number;
  /** Share of correct answers; NaN where there is nothing to count. */
  readonly accuracy: number;
}

/**
 * 95% interval of a share by Wilson's score (1927): it stays inside 0..1 and keeps its promise for few pictures too.
 * z = 1.959964.
 */
export function wilsonInterval(correct: number, total: number): [low: number, high: number] {
  if (total === 0) return [0, 1];
  const z = 1.959963984540054;
  const share = correct / total;
  const centre = share + (z * z) / (2 * total);
  const reach = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return [Math.max(0, (centre - reach) / scale), Math.min(1, (centre + reach) / scale)];
}

/** Correct answers by true class, [classes]. */
export function perClass(predicted: ArrayLike<number>, labels: ArrayLike<number>, classes: number): Counts[] {
  const correct = new Int32Array(classes);
  const total = new Int32Array(classes);
  for (let i = 0; i < labels.length; i++) {
    total[labels[i]]++;
    if (predicted[i] === labels[i]) correct[labels[i]]++;
  }
  return Array.from(total, (n, c) => ({ correct: correct[c], total: n, accuracy: correct[c] / n }));
}
