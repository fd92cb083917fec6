import { spawn } from 'node:child_process';
import type { Io } from './io.ts';

/** The system's way to open an address or a file. Where there is none, the person has the address to click. */
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
