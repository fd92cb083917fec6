import { readdirSync, readFileSync } from 'node:fs';

const contents = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Ids of the decoder processes of the process `parent`, by default this one (on Linux). */
export function decodersOf(parent = process.pid): number[] {
  return decoders().filter((pid) =>
    new RegExp(`^PPid:\\s*${parent}$`, 'm').test(contents(`/proc/${pid}/status`)),
  );
}

/** Ids of all decoder processes of this machine. */
function decoders(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && /image\/worker\.[jt]s/.test(contents(`/proc/${name}/cmdline`)))
    .map(Number);
}

/** Whether a process runs. A zombie, which has ended and has not been waited for, does not. */
export function isRunning(pid: number): boolean {
  return /^State:\s*[^Z\s]/m.test(contents(`/proc/${pid}/status`));
}

/** Bytes of a process's resident memory. */
export function memoryOf(pid: number): number {
  return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(contents(`/proc/${pid}/status`))?.[1] ?? 0);
}
