import { type FileHandle, open } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { systemCode } from '../errors.ts';

/**
 * Containers cannot see one another's processes, but they can reach a socket in a folder that they share, and the kernel closes it
 * with its process. Only Linux has such containers; a file system without sockets has no signs of life.
 */
const possible = process.platform === 'linux';

/** Gives a sign of life under a name in a folder until the function that it resolves with is called. */
export async function signOfLife(folder: string, name: string): Promise<() => Promise<void>> {
  const place = possible ? await open(folder, 'r').catch(() => undefined) : undefined;
  if (!place) return async () => {};
  const server = createServer((asking) => asking.destroy());
  await new Promise((resolve) => {
    server.on('error', resolve).listen(addressOf(place, name), () => resolve(undefined));
  });
  server.unref();
  return async () => {
    await new Promise((resolve) => server.close(resolve));
    await place.close().catch(() => {});
  };
}

/** Whether the process that gave a sign of life still runs; undefined where it gave none, or none that can be reached from here. */
export async function isAnswered(folder: string, name: string): Promise<boolean | undefined> {
  const place = possible ? await open(folder, 'r').catch(() => undefined) : undefined;
  if (!place) return undefined;
  try {
    return await new Promise((resolve) => {
      const asking = connect(addressOf(place, name), () => {
        asking.destroy();
        resolve(true);
      });
      asking.once('error', (error) => {
        // A socket of a process that is busy has a full queue: EAGAIN.
        const code = systemCode(error);
        resolve(code === 'ECONNREFUSED' ? false : code === 'EAGAIN' ? true : undefined);
      });
    });
  } finally {
    await place.close().catch(() => {});
  }
}

/** An address holds 107 bytes, a path far more. */
const addressOf = (folder: FileHandle, name: string) => `/proc/self/fd/${folder.fd}/${name}`;
