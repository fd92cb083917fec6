import { spawn } from 'node:child_process';
import type { Io } from './io.ts';

/** Opens an address or a file with the system's command. Without one, the user opens the printed address. */
export function openBrowser(address: string, io: Io): void {
  if (!io.terminal) return;
  const [program, ...args] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '']
        : ['xdg-open'];
  const child = spawn(program, [...args, address], { detached: true, stdio: 'ignore' });
  child.on('error', () => {});
  child.unref();
}
