/**
 * Whether probabilities were fitted on rows with known classes, given the number of these rows and of their classes. Rows of a single class
 * do not count, because a temperature for them says nothing of the others, nor do rows that the encoder was fine-tuned on.
 */
export function isCalibrated({
  judges,
  judgedClasses,
  fineTuned = 0,
}: {
  readonly judges: number;
  readonly judgedClasses?: number;
  readonly fineTuned?: number;
}): boolean {
  return judges > 0 && judgedClasses !== 1 && fineTuned === 0;
}
