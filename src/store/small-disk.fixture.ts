import { spawnSync } from 'node:child_process';

const run = (command: string, ...options: string[]) => spawnSync(command, options).status === 0;

/** Mounts a disk with a limit of megabytes (and files) on an existing folder. Undefined if this process may not mount. */
export function mountSmallDisk(path: string, megabytes: number, files = 0) {
  const mounted =
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    run(
      'mount',
      '-t',
      'tmpfs',
      '-o',
      `size=${Math.round(megabytes * 1024)}k,nr_inodes=${files}`,
      'tmpfs',
      path,
    );
  if (!mounted) return undefined;
  return {
    makeReadOnly: () => run('mount', '-o', 'remount,ro', path),
    unmount: () => run('umount', path),
  };
}
