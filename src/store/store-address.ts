/** Whether a source is the address of a store: `s3://bucket/folder/`, or the list of addresses at `https://host/list.txt`. */
export function isStoreAddress(source: string): boolean {
  return /^(s3|https?):\/\//i.test(source);
}

/** Whether a source names something on the Hugging Face hub. */
export function isHubData(source: string): boolean {
  return /^hf:/i.test(source);
}

/** Whether the pictures of a source without classes are listed when they are needed, because it is a store or a data set on the hub. */
export function isStreamed(source: unknown): source is string {
  return typeof source === 'string' && (isStoreAddress(source) || isHubData(source));
}
