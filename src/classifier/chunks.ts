/** Number of pictures encoded together in a stream of predictions: enough to keep decoding and inference busy at the same time. */
export const STREAM_CHUNK = 64;

/** Items in lists of `size`, the last of which may be shorter. */
export async function* chunks<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length === size) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}
