import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { removeAbandoned, temporaryName } from './temporary.ts';

/** Size of unpacked files, in bytes, above which a file may have at most `MOST_RATIO` times its packed bytes. */
const SMALL = 2 ** 28;
const MOST_RATIO = 250;

const GZIP = [0x1f, 0x8b];

/** Whether a file begins with the bytes of gzip. */
export async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && GZIP.every((byte, i) => buffer[i] === byte);
  } finally {
    await file.close();
  }
}

/** Files that are removed when the program ends. If it is killed, the next program removes them. */
const unpacked = new Set<string>();

/**
 * The path of a temporary file with the unpacked bytes of a gzip file. It exists until the program ends, because pictures are read from it
 * repeatedly. `fail` is called with the fault of a damaged file.
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
