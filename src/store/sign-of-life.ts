import { type FileHandle, open } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { systemCode } from '../errors.ts';

/**
 * A sign of life is a socket in a shared folder. Containers cannot see one another's processes, but they can connect to such a
 * socket, and the kernel closes it when its process ends. Signs of life are used only on Linux, and need a file system with sockets.
 */
const possible = process.platform === 'linux';

/** Gives a sign of life under a name in a folder. Resolves with a function that ends it. */
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

/** Whether the process that gave a sign of life still runs; undefined if it gave none, or none that can be reached from here. */
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
        // EAGAIN: the socket's queue is full, because its process is busy.
        const code = systemCode(error);
        resolve(code === 'ECONNREFUSED' ? false : code === 'EAGAIN' ? true : undefined);
      });
    });
  } finally {
    await place.close().catch(() => {});
  }
}

/** A short path to the socket: a socket's address holds at most 107 bytes. */
const addressOf = (folder: FileHandle, name: string) => `/proc/self/fd/${folder.fd}/${name}`;
