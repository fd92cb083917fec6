import type { IncomingMessage } from 'node:http';
import type { Admission } from './admission.ts';
import { Refusal } from './problem.ts';

/** A body in memory, counted until it is freed. */
export interface HeldBody {
  readonly bytes: Buffer;
  free(): void;
}

/**
 * Reads a request's body. Throws a `Refusal`: 413 for more than `limit` bytes (before reading, if the length is declared), 415 for a
 * compressed body, 503 if all bodies together are too large, and 400 if the client stops before the end.
 */
export function readBody(
  incoming: IncomingMessage,
  limit: number,
  admission: Pick<Admission, 'hold' | 'free'>,
): Promise<HeldBody> {
  const encoding = incoming.headers['content-encoding']?.trim() ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    return Promise.reject(
      new Refusal(415, `The body has the encoding ${encoding}, which is not accepted`, {
        code: 'server/encoding',
        hint: 'Send it uncompressed: pictures are compressed already.',
      }),
    );
  }
  if (Number(incoming.headers['content-length']) > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const free = () => {
      admission.free(size);
      size = 0;
    };
    const stop = () => {
      incoming.off('data', take).off('end', finish).off('error', abandon).off('close', abandon);
    };
    const fail = (error: Error) => {
      stop();
      free();
      reject(error);
    };
    const take = (chunk: Buffer) => {
      try {
        if (size + chunk.length > limit) throw tooLarge(limit);
        admission.hold(chunk.length);
        size += chunk.length;
        chunks.push(chunk);
      } catch (error) {
        fail(error as Error);
      }
    };
    const finish = () => {
      stop();
      resolve({ bytes: Buffer.concat(chunks), free });
    };
    const abandon = () => fail(new Refusal(400, 'The body ended early', { code: 'server/half-sent' }));
    if (incoming.destroyed) abandon();
    else incoming.on('data', take).on('end', finish).on('error', abandon).on('close', abandon);
  });
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `The body has more than ${limit / 2 ** 20} MiB`, {
    code: 'server/too-large',
    hint: 'Send fewer or smaller pictures in one request.',
    details: { limit },
  });
}
