/** Whether probabilities were fitted on rows with known classes, given the number of these rows. */
export function isCalibrated({ judges }: { readonly judges: number }): boolean {
  return judges > 0;
}
