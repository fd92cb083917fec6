import { spawnSync } from 'node:child_process';

const run = (command: string, ...options: string[]) => spawnSync(command, options).status === 0;

/** A disk of so many megabytes mounted on an existing folder, or `undefined` where this process may not mount one. */
export function mountSmallDisk(path: string, megabytes: number) {
  const mounted =
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path);
  if (!mounted) return undefined;
  return {
    makeReadOnly: () => run('mount', '-o', 'remount,ro', path),
    unmount: () => run('umount', path),
  };
}
