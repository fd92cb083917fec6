import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { checkSize } from './refusals.ts';

/** A message of the thread: first the size of the picture, before it is decoded, then its data. */
export interface ThreadAnswer {
  readonly width: number;
  readonly height: number;
  readonly data?: Uint8Array;
}

/**
 * A picture that a decoder in WebAssembly decodes on a thread of its own, so that this thread can end the process meanwhile. Throws what the
 * thread throws, and `DataError` `image/too-large` before anything is decoded.
 */
export async function decodeOnThread(
  program: URL,
  bytes: Uint8Array,
  maxPixels: number,
): Promise<Required<ThreadAnswer>> {
  const thread = new Worker(program, { workerData: bytes });
  try {
    // Rejects with what the thread throws.
    const [size] = (await once(thread, 'message')) as [ThreadAnswer];
    checkSize(size.width, size.height, maxPixels);
    thread.postMessage('decode');
    const [answer] = (await once(thread, 'message')) as [Required<ThreadAnswer>];
    return answer;
  } catch (cause) {
    // Decoders from Rust throw texts.
    throw cause instanceof Error ? cause : new Error(String(cause));
  } finally {
    await thread.terminate();
  }
}
