import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Starts to measure the resident memory of the process. Returns a function that returns the peak since then in MiB. Only Linux can reset
 * the peak; elsewhere it is the peak since the start of the process.
 */
export function watchMemory(): () => number {
  const isReset = resetPeak();
  return () => Math.round((isReset ? peakOfStatus() : process.resourceUsage().maxRSS) / 1024);
}

/** Resets the kernel's peak of resident memory to the current value (proc(5), clear_refs). */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return peakOfStatus() > 0;
  } catch {
    return false;
  }
}

/** In KiB. */
function peakOfStatus(): number {
  return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
}
