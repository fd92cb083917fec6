import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { removeAbandoned, temporaryName } from './temporary.ts';

/** Unpacked bytes above which a file may not be larger than its packed bytes times `MOST_RATIO`. */
const SMALL = 2 ** 28;
const MOST_RATIO = 250;

const GZIP = [0x1f, 0x8b];

/** Whether a file begins as gzip does. */
export async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && GZIP.every((byte, i) => buffer[i] === byte);
  } finally {
    await file.close();
  }
}

/** Files that are removed when the program ends. The next program removes those of one that was killed. */
const unpacked = new Set<string>();

/**
 * The path of a temporary file with the unpacked bytes of a gzip file. It exists until the program ends, because pictures are read from
 * it again and again. `fail` is called with what is wrong with a damaged file.
 */
export async function unpackGzip(
  path: string,
  fail: (code: string, what: string) => never,
  signal?: AbortSignal,
): Promise<string> {
  const most = Math.max(SMALL, (await stat(path)).size * MOST_RATIO);
  const folder = tmpdir();
  await removeAbandoned(folder);
  const target = join(folder, temporaryName());
  if (unpacked.size === 0)
    process.once('exit', () => {
      for (const file of unpacked) rmSync(file, { force: true });
    });
  unpacked.add(target);
  let written = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      written += chunk.length;
      if (written > most) fail('too-large', `it unpacks to more than ${MOST_RATIO} times its size`);
      yield chunk;
    }
  };
  try {
    await pipeline(
      createReadStream(path),
      createGunzip(),
      counted,
      createWriteStream(target, { mode: 0o600 }),
      {
        signal,
      },
    );
  } catch (error) {
    rmSync(target, { force: true });
    unpacked.delete(target);
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_'))
      fail('damaged', `it cannot be unpacked (${(error as Error).message})`);
    throw error;
  }
  return target;
}
