/**
 * Area under the ROC curve, 0..1: the probability that a positive row scores above a negative one; a tie counts half (Mann and
 * Whitney 1947: (R - p(p + 1)/2) / (p q), where R is the sum of the positives' mean ranks). For rejection, scores are confidences
 * and positives are the correct answers. 0.5 is chance. NaN without a positive row or without a negative row.
 *
 * @param scores [n] @param positive [n]
 */
export function auroc(scores: ArrayLike<number>, positive: ArrayLike<boolean>): number {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const tied = order.slice(start, end).filter((i) => positive[i]).length;
    positives += tied;
    rankSum += (tied * (start + 1 + end)) / 2;
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
