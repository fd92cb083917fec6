/** Whether probabilities were fitted on rows with known classes, given the number of these rows. Rows that the encoder was fine-tuned on do not count. */
export function isCalibrated({
  judges,
  fineTuned = 0,
}: {
  readonly judges: number;
  readonly fineTuned?: number;
}): boolean {
  return judges > 0 && fineTuned === 0;
}
